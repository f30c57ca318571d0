//! A process of a program under test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::wait::wait_until;

/// A running process. Killed on drop.
pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts the program with only these variables in its environment, and JSON log lines.
    pub fn start(binary: &str, arguments: &[&str], variables: &[(String, String)]) -> Self {
        let mut child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().cloned())
            .env("MUSTER_LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().unwrap(), lines.clone());
        collect(child.stderr.take().unwrap(), lines.clone());
        Self { child, lines }
    }

    /// Starts the program and closes the read end of its standard error, like a log collector that dies.
    pub fn start_with_closed_stderr(binary: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        let lines = Arc::new(Mutex::new(Vec::new()));
        collect(child.stdout.take().unwrap(), lines.clone());
        Self { child, lines }
    }

    /// Runs the program to its end. Returns its standard output, or its standard error if it fails.
    pub fn run(binary: &str, arguments: &[&str], variables: &[(String, String)]) -> Result<String, String> {
        let output = Command::new(binary).args(arguments).env_clear().envs(variables.iter().cloned()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Waits for a line for which `find` returns a value, and returns the value.
    pub async fn line<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        wait_until(what, || {
            let lines = lock(&self.lines);
            let found = lines.iter().find_map(|line| find(line));
            let ended = self.child.try_wait().unwrap();
            assert!(found.is_some() || ended.is_none(), "the program ended before {what}: {lines:#?}");
            std::future::ready(found.ok_or_else(|| lines.len()))
        })
        .await
    }

    /// Waits for the log line with this message and returns one of its fields.
    pub async fn wait_for_log(&mut self, message: &str, field: &str) -> String {
        self.line(message, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["message"] == message).then(|| event[field].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// Everything that the process has printed so far.
    pub fn output(&self) -> String {
        lock(&self.lines).join("\n")
    }

    /// Kills the process, as a power failure would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends SIGTERM and waits until the process has ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.ended().await
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        wait_until("the process ends", || std::future::ready(self.child.try_wait().unwrap().ok_or("still running")))
            .await
    }

    /// Whether the process has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, for example `-STOP` or `-CONT`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// The peak memory of the process in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- output of a process of the failed test\n{}", self.output());
        }
    }
}

/// Locks the lines, even if a thread panicked while it held the lock.
fn lock(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(source: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            lock(&lines).push(line);
        }
    });
}
