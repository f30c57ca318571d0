//! A complete Muster: embedded in one process, or as separate services on real servers.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::client::Client;
use crate::program::Program;
use crate::servers::Servers;

/// The two ways to run Muster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// One process on SQLite.
    Embedded,
    /// Ingest, workers and status on Postgres, RabbitMQ and Redis.
    Distributed,
}

/// Options of a site.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// Number of worker processes (distributed).
    pub workers: usize,
    /// Additional variables of every process.
    pub variables: Vec<(String, String)>,
    /// Additional variables of the ingest service (distributed).
    pub ingest_variables: Vec<(String, String)>,
    /// Additional variables of workers (distributed).
    pub worker_variables: Vec<(String, String)>,
    /// The servers to use (distributed). By default a private database on the shared servers.
    pub servers: Option<Servers>,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self {
            workers: 1,
            variables: Vec::new(),
            ingest_variables: Vec::new(),
            worker_variables: Vec::new(),
            servers: None,
        }
    }
}

/// A running Muster.
pub struct Site {
    binary: String,
    /// May be changed, for processes that are started later.
    pub options: SiteOptions,
    folder: TempDir,
    /// The output of processes that have ended.
    past_output: Vec<String>,
    /// The servers of a distributed site.
    pub servers: Option<Servers>,
    /// The only process (embedded), or the ingest service (distributed).
    pub ingest: Option<Program>,
    /// The workers of a distributed site.
    pub workers: Vec<Program>,
    /// The status service of a distributed site.
    pub status: Option<Program>,
    /// A client of the first tenant, which is named `default`.
    pub client: Client,
}

impl Site {
    /// Starts a site. `binary` is the program under test.
    pub async fn start(binary: &str, backend: Backend, options: SiteOptions) -> Self {
        let servers = match backend {
            Backend::Embedded => None,
            Backend::Distributed => Some(match options.servers.clone() {
                Some(servers) => servers,
                None => Servers::create(binary).await,
            }),
        };
        let client = Client::new(String::new(), String::new(), None);
        let mut site = Self {
            binary: binary.to_owned(),
            options,
            folder: TempDir::new().unwrap(),
            past_output: Vec::new(),
            servers,
            ingest: None,
            workers: Vec::new(),
            status: None,
            client,
        };
        if site.servers.is_some() {
            site.admin(&["tenant", "create", "default"]).unwrap();
            let token = site.admin(&["token", "create", "--tenant", "default"]).unwrap();
            site.client.token = Some(token.trim().to_owned());
            site.start_ingest().await;
            site.start_status().await;
            for _ in 0..site.options.workers {
                site.start_worker().await;
            }
        } else {
            site.start_ingest().await;
        }
        site
    }

    /// Starts the ingest service, or everything if the site is embedded.
    pub async fn start_ingest(&mut self) {
        if self.servers.is_some() {
            let binary = self.binary.clone();
            return self.start_ingest_through(&binary).await;
        }
        self.past_output.extend(self.ingest.take().map(|program| program.output()));
        let mut program = Program::start(&self.binary, &["serve"], &self.variables(true, &[]));
        let after = |mark: &'static str| move |line: &str| Some(line.trim().strip_prefix(mark)?.trim().to_owned());
        let url = program.line("the URL", after("Muster is listening on")).await;
        if self.client.token.is_none() {
            self.client.token = Some(program.line("the token", after("token ")).await);
        }
        self.client.ingest.clone_from(&url);
        self.client.status = url;
        self.ingest = Some(program);
    }

    /// Starts the ingest service of a distributed site through another program, which executes Muster.
    pub async fn start_ingest_through(&mut self, program: &str) {
        self.past_output.extend(self.ingest.take().map(|program| program.output()));
        let mut program = Program::start(program, &["ingest"], &self.variables(true, &self.options.ingest_variables));
        self.client.ingest = program.wait_for_log("listening", "address").await;
        self.ingest = Some(program);
    }

    /// Starts the status service.
    pub async fn start_status(&mut self) {
        self.past_output.extend(self.status.take().map(|program| program.output()));
        let mut program = Program::start(&self.binary, &["status"], &self.variables(true, &[]));
        self.client.status = program.wait_for_log("listening", "address").await;
        self.status = Some(program);
    }

    /// Starts one more worker.
    pub async fn start_worker(&mut self) {
        let mut program =
            Program::start(&self.binary, &["worker"], &self.variables(false, &self.options.worker_variables));
        program.wait_for_log("worker ready", "message").await;
        self.workers.push(program);
    }

    /// Kills a worker, if it has not ended yet.
    pub fn kill_worker(&mut self, index: usize) {
        let mut worker = self.workers.remove(index);
        worker.kill();
        self.past_output.push(worker.output());
    }

    /// Stops all processes. Each must end gracefully within its drain time.
    pub async fn stop(&mut self) {
        let workers = std::mem::take(&mut self.workers);
        for mut program in self.ingest.take().into_iter().chain(workers).chain(self.status.take()) {
            let status = program.terminate().await;
            assert!(status.success(), "a process did not stop gracefully: {status}");
            self.past_output.push(program.output());
        }
    }

    /// Runs an administrative command. An embedded site must be stopped.
    pub fn admin(&self, arguments: &[&str]) -> Result<String, String> {
        let data = self.data();
        let mut arguments = arguments.to_vec();
        let mut variables = Vec::new();
        match &self.servers {
            Some(servers) => variables.push(("MUSTER_DATABASE_URL".to_owned(), servers.database_url.clone())),
            None => arguments.extend(["--data", &data]),
        }
        Program::run(&self.binary, &arguments, &variables)
    }

    /// Creates a tenant, unless it exists, and returns a client with a new token of it.
    pub async fn tenant(&mut self, name: &str, token_arguments: &[&str]) -> Client {
        let token = self.while_stopped(|site| {
            // Fails if the tenant exists.
            let _ = site.admin(&["tenant", "create", name]);
            site.admin(&[&["token", "create", "--tenant", name], token_arguments].concat()).unwrap()
        });
        let token = token.await;
        self.client.with_token(Some(token.trim()))
    }

    /// Runs a function that needs exclusive use of the data folder.
    pub async fn while_stopped<T>(&mut self, work: impl FnOnce(&Self) -> T) -> T {
        if self.servers.is_some() {
            return work(self);
        }
        self.ingest.as_mut().unwrap().terminate().await;
        let result = work(self);
        self.start_ingest().await;
        result
    }

    /// The number of stored uploads.
    pub fn count_stored_uploads(&self) -> usize {
        self.stored_files().len()
    }

    /// The paths of the stored uploads.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { collect(&entry.path(), found) } else { found.push(entry.path()) }
            }
        }
        let mut found = Vec::new();
        collect(&self.folder.path().join(if self.servers.is_some() { "raw" } else { "data/raw" }), &mut found);
        found
    }

    /// Everything that all processes, including ended ones, have printed.
    pub fn output(&self) -> String {
        let programs = self.ingest.iter().chain(&self.workers).chain(&self.status);
        programs.map(Program::output).chain(self.past_output.iter().cloned()).collect::<Vec<_>>().join("\n")
    }

    /// The data folder of an embedded site.
    pub fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn variables(&self, listens: bool, own: &[(String, String)]) -> Vec<(String, String)> {
        let mut variables = [own, &self.options.variables].concat();
        let mut set = |name: &str, value: String| {
            if !variables.iter().any(|(known, _)| known == name) {
                variables.push((name.to_owned(), value));
            }
        };
        if listens {
            set("MUSTER_LISTEN", "127.0.0.1:0".to_owned());
        }
        match &self.servers {
            None => set("MUSTER_DATA", self.data()),
            Some(servers) => {
                set("MUSTER_DATABASE_URL", servers.database_url.clone());
                set("MUSTER_AMQP_URL", servers.amqp_url.clone());
                set("MUSTER_REDIS_URL", servers.redis_url.clone());
                set("MUSTER_QUEUE_PREFIX", servers.prefix.clone());
                set("MUSTER_REDIS_PREFIX", servers.prefix.clone());
                set("MUSTER_RAW_STORE", format!("file://{}", self.folder.path().join("raw").display()));
            }
        }
        variables
    }
}
