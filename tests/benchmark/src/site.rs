//! The processes of Muster under test, on a database of their own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use muster_client::{Client, JobStatus};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::arguments::Arguments;
use crate::report::Report;
use crate::usage::cpu::CpuSeconds;
use crate::usage::memory::{MemorySampler, Series};
use crate::yardsticks::psql::Psql;

const START_DEADLINE: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The most tenants that import at the same time.
const TENANTS: usize = 4;

/// A running Muster.
pub(crate) struct Site {
    /// The program under test.
    pub(crate) muster: PathBuf,
    pub(crate) folder: TempDir,
    pub(crate) psql: Psql,
    /// Clients of the ingest service, one for each tenant.
    pub(crate) clients: Vec<Client>,
    /// Clients of the status service, one for each tenant.
    pub(crate) readers: Vec<Client>,
    pub(crate) status_url: String,
    /// The token of the first tenant.
    pub(crate) token: String,
    variables: Vec<(String, SecretString)>,
    services: Vec<Child>,
    workers: Mutex<Vec<Child>>,
    memory: MemorySampler,
}

impl Site {
    pub(crate) async fn start(args: &Arguments) -> anyhow::Result<Self> {
        let muster = find_muster(args.muster_bin.as_deref())?;
        let folder = tempfile::Builder::new().prefix("muster-bench-").tempdir()?;
        let psql = Psql::create_database(&args.servers.database_url, &args.postgres_set).await?;
        run_muster(&muster, psql.url(), &["migrate"]).await?;
        let tokens = create_tokens(&muster, psql.url()).await?;
        let prefix = format!("bench-{:08x}", rand::random::<u32>());
        let (ingest, status) = (unused_address()?, unused_address()?);
        let secret = |text: &str| SecretString::from(text.to_owned());
        let variables = vec![
            ("MUSTER_DATABASE_URL", psql.url().clone()),
            ("MUSTER_AMQP_URL", args.servers.amqp_url.clone()),
            ("MUSTER_REDIS_URL", args.servers.redis_url.clone()),
            ("MUSTER_QUEUE_PREFIX", secret(&prefix)),
            ("MUSTER_REDIS_PREFIX", secret(&prefix)),
            ("MUSTER_PUBLIC_URL", secret(&format!("http://{status}"))),
            ("MUSTER_RAW_STORE", secret(&format!("file://{}/raw", folder.path().display()))),
            ("MUSTER_MAX_UPLOAD_BYTES", secret(&u64::MAX.to_string())),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        let variables = variables.chain(args.set.iter().map(|set| (set.name.clone(), secret(&set.value)))).collect();
        std::fs::create_dir(folder.path().join("raw"))?;
        let clients = |address: &str| -> anyhow::Result<Vec<Client>> {
            tokens.iter().map(|token| Client::new(format!("http://{address}"), token)).collect()
        };
        let mut site = Self {
            muster,
            clients: clients(&ingest)?,
            readers: clients(&status)?,
            status_url: format!("http://{status}"),
            token: tokens[0].clone(),
            folder,
            psql,
            variables,
            services: Vec::new(),
            workers: Mutex::default(),
            memory: MemorySampler::start(),
        };
        for (role, listen) in [("ingest", ingest), ("status", status)] {
            let service = site.spawn(role, role, Some(&listen))?;
            site.services.push(service);
        }
        for client in [&site.clients[0], &site.readers[0]] {
            wait_until("a service is ready", || client.is_ready()).await?;
        }
        site.restart_workers(args.workers).await?;
        Ok(site)
    }

    /// Replaces all workers by `count` new ones.
    pub(crate) async fn restart_workers(&self, count: u16) -> anyhow::Result<()> {
        let mut workers = self.workers.lock().await;
        for mut worker in workers.drain(..) {
            worker.kill().await?;
        }
        for number in 1..=count {
            let name = format!("worker {number}");
            workers.push(self.spawn("worker", &name, None)?);
            let log = self.log_path(&name);
            let is_ready = || async { std::fs::read_to_string(&log).is_ok_and(|log| log.contains("worker ready")) };
            wait_until("a worker is ready", is_ready).await?;
        }
        Ok(())
    }

    fn spawn(&self, role: &str, name: &str, listen: Option<&str>) -> anyhow::Result<Child> {
        let log = std::fs::File::create(self.log_path(name))?;
        let mut command = Command::new(&self.muster);
        command.arg(role).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs(self.variables.iter().map(|(name, value)| (name, value.expose_secret())));
        // As in the image and in the local stack.
        command.env("MALLOC_ARENA_MAX", "2");
        command.envs(listen.map(|address| ("MUSTER_LISTEN", address)));
        let child = command.spawn().with_context(|| format!("cannot start {}", self.muster.display()))?;
        self.memory.watch(name, child.id().context("a process ended right after its start")?);
        Ok(child)
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// The CPU time that each part has used so far.
    pub(crate) fn cpu_seconds(&self) -> CpuSeconds {
        CpuSeconds::read(&self.memory.processes())
    }

    /// Imports a file for the first tenant and records the duration and the CPU time. Returns the seconds.
    pub(crate) async fn measure_import(
        &self,
        name: &str,
        file: &Path,
        expected: Outcomes,
        report: &mut Report,
    ) -> anyhow::Result<f64> {
        let before = self.cpu_seconds();
        let seconds = import(&self.clients[0], file, expected).await?;
        report.add_muster_with_cpu(name, expected.rows(), seconds, self.cpu_seconds().since(&before));
        Ok(seconds)
    }

    /// Deletes all users of Muster and of the yardstick.
    pub(crate) async fn delete_users(&self) -> anyhow::Result<()> {
        self.psql.run("truncate users, ledger, rejections; truncate yardstick.users;").await
    }

    /// Stops all processes, drops the database, and returns the memory that the processes used.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Vec<Series>> {
        let series = self.memory.stop().await;
        for mut child in self.services.drain(..).chain(self.workers.into_inner()) {
            child.kill().await?;
        }
        self.psql.drop_database().await?;
        Ok(series)
    }
}

/// The program under test. By default the one next to this program, where Cargo puts both.
fn find_muster(path: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("muster"),
    };
    ensure!(path.is_file(), "there is no program {}; set MUSTER_BIN", path.display());
    Ok(path)
}

/// Runs an administrative command of Muster and returns its output.
async fn run_muster(muster: &Path, database_url: &SecretString, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(muster);
    command.args(arguments).env_clear().env("MUSTER_DATABASE_URL", database_url.expose_secret());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.with_context(|| format!("cannot start {}", muster.display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "muster {} failed: {error}", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Creates the tenants. Returns a token for each.
async fn create_tokens(muster: &Path, database_url: &SecretString) -> anyhow::Result<Vec<String>> {
    let mut tokens = Vec::new();
    for number in 1..=TENANTS {
        let tenant = format!("tenant {number}");
        run_muster(muster, database_url, &["tenant", "create", &tenant]).await?;
        tokens.push(run_muster(muster, database_url, &["token", "create", "--tenant", &tenant]).await?);
    }
    Ok(tokens)
}

/// An address of this machine, as `host:port`, on which nothing listens at the moment.
pub(crate) fn unused_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Waits for a condition.
async fn wait_until<F: Future<Output = bool>>(what: &str, is_met: impl Fn() -> F) -> anyhow::Result<()> {
    let started = Instant::now();
    while !is_met().await {
        if started.elapsed() > START_DEADLINE {
            bail!("waited {START_DEADLINE:?} until {what}");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// How many rows of a file end in each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
}

impl Outcomes {
    pub(crate) fn created(rows: u64) -> Self {
        Self { created: rows, ..Self::default() }
    }

    pub(crate) fn updated(rows: u64) -> Self {
        Self { updated: rows, ..Self::default() }
    }

    pub(crate) fn unchanged(rows: u64) -> Self {
        Self { unchanged: rows, ..Self::default() }
    }

    fn rows(self) -> u64 {
        self.created + self.updated + self.unchanged
    }
}

/// Uploads a file, waits until its job is final, and compares the counts. Returns the seconds.
pub(crate) async fn import(client: &Client, file: &Path, expected: Outcomes) -> anyhow::Result<f64> {
    let started = Instant::now();
    let status_url = client.upload(file).await?;
    let status = wait_until_final(client, &status_url).await?;
    let seconds = started.elapsed().as_secs_f64();
    let found = Outcomes { created: status.created, updated: status.updated, unchanged: status.unchanged };
    ensure!(
        status.state == "SUCCESS" && status.failed == 0 && found == expected,
        "expected {expected:?}, found {found:?} and {} failed rows: {} {}",
        status.failed,
        status.state,
        status.error_message
    );
    Ok(seconds)
}

/// Polls until the job is final.
pub(crate) async fn wait_until_final(client: &Client, status_url: &str) -> anyhow::Result<JobStatus> {
    loop {
        let status = client.status(status_url).await?;
        if status.is_final() {
            return Ok(status);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
