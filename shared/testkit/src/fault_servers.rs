//! Servers that a test may break: a stack of their own, for one test at a time.

use std::path::PathBuf;
use std::process::Command;

use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::servers::{Servers, variable};
use crate::wait::wait_until;

const STACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/local/stack");

static TURN: Mutex<()> = Mutex::const_new(());
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The database.
    Postgres,
    /// The broker.
    RabbitMq,
    /// The counters.
    Redis,
}

impl Server {
    /// Every server.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::RabbitMq, Self::Redis];

    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::RabbitMq => "rabbitmq",
            Self::Redis => "redis",
        }
    }
}

/// The servers, until this is dropped.
pub struct FaultServers {
    /// A private corner of them.
    pub servers: Servers,
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

impl FaultServers {
    /// Waits for its turn and sees that all servers run.
    pub async fn take(binary: &str) -> Self {
        let turn = TURN.lock().await;
        let folder = PathBuf::from(variable("MUSTER_TEST_FAULT_STACK_DIR"));
        let mut missing = Vec::new();
        for server in Server::ALL {
            if !is_running(&folder, server) {
                missing.push(server);
            }
        }
        let urls = stack(&folder, &["env"]).await;
        let url = |name: &str| {
            let line = urls.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("{name} is not in {urls}")).trim_matches('\'').to_owned()
        };
        for server in missing {
            stack(&folder, &["restart", server.name()]).await;
        }
        let urls = ["MUSTER_DATABASE_URL", "MUSTER_AMQP_URL", "MUSTER_REDIS_URL"].map(url);
        let servers = Servers::corner(&TEMPLATE, binary, &urls).await;
        Self { servers, folder, _turn: turn }
    }

    /// Ends a server at once, as a power cut would.
    pub async fn kill(&self, server: Server) {
        let process = format!("/proc/{}", pid(&self.folder, server).unwrap());
        self.signal(server, "-KILL");
        // Postgres does not start as long as its former self is known to the kernel.
        wait_until("the server is gone", || {
            std::future::ready(if std::path::Path::new(&process).exists() { Err(()) } else { Ok(()) })
        })
        .await;
    }

    /// Stops the processes of a server where they are, or lets them go on.
    pub fn signal(&self, server: Server, signal: &str) {
        let pid = pid(&self.folder, server).unwrap();
        // What it started too: some in its session, and Postgres's backends each in one of their own.
        let find = |how: &str| Command::new("pgrep").args([how, &pid]).output().unwrap().stdout;
        let found = [find("-s"), find("-P"), pid.clone().into_bytes()].concat();
        let pids = String::from_utf8(found).unwrap();
        let _ = Command::new("kill").arg(signal).args(pids.split_whitespace()).status();
    }

    /// Stops a server in good order, if it runs, and starts it again.
    pub async fn restart(&self, server: Server) {
        stack(&self.folder, &["restart", server.name()]).await;
    }

    /// Kills the broker and removes all that it had stored.
    pub async fn wipe_broker(&self) {
        self.kill(Server::RabbitMq).await;
        std::fs::remove_dir_all(self.folder.join("rabbitmq/mnesia")).unwrap();
        self.restart(Server::RabbitMq).await;
    }

    /// Moves the private database to a disk of its own, which is small. Needs root.
    pub async fn on_small_disk(&self, mebibytes: u32) -> SmallDisk {
        let oid = self.servers.number("select oid from pg_database where datname = current_database()").await;
        let files = self.folder.join(format!("postgres/data/base/{oid}"));
        self.kill(Server::Postgres).await;
        let script = format!(
            "set -e; cp -a {0} {0}.before; mount -t tmpfs -o size={mebibytes}m tmpfs {0}; \
             chown --reference={0}.before {0}; chmod --reference={0}.before {0}; cp -a {0}.before/. {0}; rm -r {0}.before",
            files.display()
        );
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success(), "tmpfs on {}", files.display());
        let disk = SmallDisk { files };
        self.restart(Server::Postgres).await;
        disk
    }

    /// Drops the private database, before its disk goes.
    pub async fn drop_database(&self) {
        let name = &self.servers.prefix;
        crate::servers::execute_beside(&self.servers, &format!("drop database {name} with (force)")).await;
    }

    /// Runs the broker's administration command.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        stack(&self.folder, &[&["rabbitmqctl"], arguments].concat()).await
    }

    /// Sends a command to Redis.
    pub fn redis(&self, arguments: &[&str]) -> String {
        self.servers.redis(arguments)
    }
}

/// A disk that holds nothing but one database, until this is dropped.
pub struct SmallDisk {
    files: PathBuf,
}

impl SmallDisk {
    /// Leaves no free byte on it.
    pub fn fill(&self) {
        let zeros = format!("of={}", self.filler().display());
        // Ends with an error, because the disk is full then.
        let _ = Command::new("dd").args(["if=/dev/zero", "bs=4096", "status=none", &zeros]).output().unwrap();
    }

    /// Frees what [`SmallDisk::fill`] took.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.files.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy".as_ref(), self.files.as_os_str()]).status();
    }
}

fn pid(folder: &std::path::Path, server: Server) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(format!("run/{}.pid", server.name()))).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

fn is_running(folder: &std::path::Path, server: Server) -> bool {
    pid(folder, server).is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}/fd/0")).exists())
}

/// Runs the stack script on the folder and gives what it printed.
async fn stack(folder: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Command::new(STACK);
    command.args(arguments).env("MUSTER_STACK_DIR", folder);
    #[expect(clippy::disallowed_methods, reason = "a test has no tasks of a service")]
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "stack failed: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
