//! The processes of Muster under test, on a database of their own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use muster_ports::{Scope, TenantSettings, Tenants};
use muster_postgres::PostgresStore;
use muster_runtime::Shutdown;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::cpu::Usage;
use super::memory::{Memory, Series};
use super::psql::Psql;
use super::report::Report;
use crate::cli::BenchArgs;
use crate::client::{Client, JobStatus};
use crate::settings::DatabaseArgs;
use crate::token;
use crate::wiring::Pool;

const START_DEADLINE: Duration = Duration::from_mins(1);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);
const POOL: Pool = Pool { name: "bench", connections: 1, acquire: Duration::from_secs(10) };

/// A running Muster.
pub(super) struct Site {
    pub(super) folder: TempDir,
    pub(super) psql: Psql,
    /// One for each tenant.
    pub(super) clients: Vec<Client>,
    /// Of the status service, for each tenant.
    pub(super) readers: Vec<Client>,
    pub(super) status_address: String,
    pub(super) token: String,
    variables: Vec<(String, SecretString)>,
    services: Vec<Child>,
    workers: Mutex<Vec<Child>>,
    memory: Memory,
}

/// Tenants who import at the same time at most.
const TENANTS: usize = 4;

impl Site {
    pub(super) async fn start(args: &BenchArgs) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("muster-bench-").tempdir()?;
        let psql = Psql::with_own_database(&args.servers.database.database_url, &args.postgres_set).await?;
        let database = DatabaseArgs { database_url: psql.url().clone() };
        PostgresStore::migrate(&POOL.config(&database)).await.context("the schema could not be created")?;
        let tokens = tokens(&database).await?;
        let prefix = format!("bench-{:08x}", rand::random::<u32>());
        let (ingest, status) = (free_port()?, free_port()?);
        let secret = |text: &str| SecretString::from(text.to_owned());
        let variables = vec![
            ("MUSTER_DATABASE_URL", psql.url().clone()),
            ("MUSTER_AMQP_URL", args.servers.queue.amqp_url.clone()),
            ("MUSTER_REDIS_URL", args.servers.counters.redis_url.clone()),
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
            clients: clients(&ingest)?,
            readers: clients(&status)?,
            status_address: format!("http://{status}"),
            token: tokens[0].clone(),
            folder,
            psql,
            variables,
            services: Vec::new(),
            workers: Mutex::default(),
            memory: Memory::start(),
        };
        for (role, listen) in [("ingest", ingest), ("status", status)] {
            let service = site.spawn(role, role, Some(&listen))?;
            site.services.push(service);
        }
        for client in [&site.clients[0], &site.readers[0]] {
            until("a service that is ready", || client.is_ready()).await?;
        }
        site.scale(args.workers).await?;
        Ok(site)
    }

    /// Brings the number of workers to the one wanted, all of them new.
    pub(super) async fn scale(&self, count: u16) -> anyhow::Result<()> {
        let mut workers = self.workers.lock().await;
        for mut worker in workers.drain(..) {
            worker.kill().await?;
        }
        for number in 1..=count {
            let name = format!("worker {number}");
            workers.push(self.spawn("worker", &name, None)?);
            let log = self.log(&name);
            let is_ready = || async { std::fs::read_to_string(&log).is_ok_and(|log| log.contains("worker ready")) };
            until("a worker that is ready", is_ready).await?;
        }
        Ok(())
    }

    fn spawn(&self, role: &str, name: &str, listen: Option<&str>) -> anyhow::Result<Child> {
        let log = std::fs::File::create(self.log(name))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.envs(self.variables.iter().map(|(name, value)| (name, value.expose_secret())));
        // As the image and the local stack set it.
        command.env("MALLOC_ARENA_MAX", "2");
        command.envs(listen.map(|address| ("MUSTER_LISTEN", address)));
        let child = command.spawn().context("a process of Muster cannot be started")?;
        self.memory.watch(name, child.id().context("a process that has just been started has ended")?);
        Ok(child)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// The time of the processors that everyone has taken so far.
    pub(super) fn usage(&self) -> Usage {
        Usage::now(&self.memory.processes())
    }

    /// Imports a file for the first tenant, and notes how long it took and who took the processors.
    pub(super) async fn measure(
        &self,
        name: &str,
        file: &Path,
        expected: Expected,
        report: &mut Report,
    ) -> anyhow::Result<f64> {
        let before = self.usage();
        let seconds = import(&self.clients[0], file, expected).await?;
        report.muster_with_usage(name, expected.iter().sum(), seconds, self.usage().since(&before));
        Ok(seconds)
    }

    /// Removes all users, of Muster and of the yardstick.
    pub(super) async fn empty(&self) -> anyhow::Result<()> {
        self.psql.run("truncate users, ledger, rejections; truncate yardstick.users;").await
    }

    /// Ends everything and gives what memory the processes used.
    pub(super) async fn end(mut self) -> anyhow::Result<Vec<Series>> {
        let series = self.memory.end().await;
        for mut child in self.services.drain(..).chain(self.workers.into_inner()) {
            child.kill().await?;
        }
        self.psql.drop_database().await?;
        Ok(series)
    }
}

/// A token for each tenant.
async fn tokens(database: &DatabaseArgs) -> anyhow::Result<Vec<String>> {
    let store = PostgresStore::new(&POOL.config(database), Shutdown::default())?;
    let mut tokens = Vec::new();
    for number in 1..=TENANTS {
        let tenant = store.create_tenant(&format!("tenant {number}"), TenantSettings::default()).await?;
        let tenant = tenant.context("a new database has a tenant already")?;
        tokens.push(token::create(&store, tenant, Scope::ALL.to_vec(), None).await?);
    }
    store.close(Duration::from_secs(5)).await;
    Ok(tokens)
}

/// An address that nobody uses at the moment.
pub(super) fn free_port() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Waits for a condition.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, is_met: impl Fn() -> F) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_met().await {
        if begun.elapsed() > START_DEADLINE {
            bail!("waited {START_DEADLINE:?} for {what}");
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Created, updated and unchanged users.
pub(super) type Expected = [u64; 3];

/// Uploads a file, waits until its job is final, and compares the counts. Gives the seconds.
pub(super) async fn import(client: &Client, file: &Path, expected: Expected) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let status_url = client.upload(file).await?;
    let status = until_final(client, &status_url).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let found = [status.created, status.updated, status.unchanged];
    ensure!(
        status.state == "SUCCESS" && status.failed == 0 && found == expected,
        "expected {expected:?} users created, updated and unchanged, found {found:?} and {} failed: {} {}",
        status.failed,
        status.state,
        status.error_message
    );
    Ok(seconds)
}

/// Asks until the job is final.
pub(super) async fn until_final(client: &Client, status_url: &str) -> anyhow::Result<JobStatus> {
    loop {
        let status = client.status(status_url).await?;
        if status.is_final() {
            return Ok(status);
        }
        tokio::time::sleep(LOOK).await;
    }
}
