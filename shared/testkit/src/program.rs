//! A process of the program under test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::wait::wait_until;

/// A running process. Killed when it is dropped.
pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts the program with nothing in its environment but these variables.
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

    /// Closes the other end of the program's standard error, as a log collector that dies does.
    pub fn start_unheard(binary: &str, arguments: &[&str]) -> Self {
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

    /// Runs the program to its end and gives what it printed.
    pub fn run(binary: &str, arguments: &[&str], variables: &[(String, String)]) -> Result<String, String> {
        let output = Command::new(binary).args(arguments).env_clear().envs(variables.iter().cloned()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Waits until a line was printed of which `find` makes something.
    pub async fn line<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        wait_until(what, || {
            let lines = heard(&self.lines);
            let found = lines.iter().find_map(|line| find(line));
            let ended = self.child.try_wait().unwrap();
            assert!(found.is_some() || ended.is_none(), "the program ended before {what}: {lines:#?}");
            std::future::ready(found.ok_or_else(|| lines.len()))
        })
        .await
    }

    /// Waits for the log line with this message and gives one of its fields.
    pub async fn logged(&mut self, message: &str, field: &str) -> String {
        self.line(message, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["message"] == message).then(|| event[field].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// Everything printed so far.
    pub fn output(&self) -> String {
        heard(&self.lines).join("\n")
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to stop and waits for its end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.ended().await
    }

    /// Waits until the process has ended, whatever for.
    pub async fn ended(&mut self) -> ExitStatus {
        wait_until("the process ends", || std::future::ready(self.child.try_wait().unwrap().ok_or("still running")))
            .await
    }

    /// Whether the process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, for example `-STOP` or `-CONT`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// The most memory that the process has held, in bytes.
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

/// The lines, also after a test that looked at them has failed.
fn heard(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

fn collect(source: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            heard(&lines).push(line);
        }
    });
}
