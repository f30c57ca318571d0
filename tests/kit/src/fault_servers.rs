//! Servers that a test may break: a separate stack, used by one test at a time.

use std::path::PathBuf;
use std::process::Command;

use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::servers::{Servers, variable};
use crate::wait::wait_until;

const STACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/local/stack");

static EXCLUSIVE: Mutex<()> = Mutex::const_new(());
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

/// Exclusive access to the servers, until this is dropped.
pub struct FaultServers {
    /// A private database and private names on them.
    pub servers: Servers,
    folder: PathBuf,
    _guard: MutexGuard<'static, ()>,
}

impl FaultServers {
    /// Waits for exclusive access and starts the servers that do not run.
    pub async fn acquire(binary: &str) -> Self {
        let guard = EXCLUSIVE.lock().await;
        let folder = PathBuf::from(variable("MUSTER_TEST_FAULT_STACK_DIR"));
        let mut stopped = Vec::new();
        for server in Server::ALL {
            if !is_running(&folder, server) {
                stopped.push(server);
            }
        }
        let urls = stack(&folder, &["env"]).await;
        let url = |name: &str| {
            let line = urls.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
            line.unwrap_or_else(|| panic!("{name} is not in {urls}")).trim_matches('\'').to_owned()
        };
        for server in stopped {
            stack(&folder, &["restart", server.name()]).await;
        }
        let urls = ["MUSTER_DATABASE_URL", "MUSTER_AMQP_URL", "MUSTER_REDIS_URL"].map(url);
        let servers = Servers::create_on(&TEMPLATE, binary, &urls).await;
        Self { servers, folder, _guard: guard }
    }

    /// Kills a server, as a power failure would.
    pub async fn kill(&self, server: Server) {
        let process = format!("/proc/{}", pid(&self.folder, server).unwrap());
        self.signal(server, "-KILL");
        // Postgres does not start while its previous process still exists.
        wait_until("the server has ended", || {
            std::future::ready(if std::path::Path::new(&process).exists() { Err(()) } else { Ok(()) })
        })
        .await;
    }

    /// Sends a signal to all processes of a server, for example `-STOP` or `-CONT`.
    pub fn signal(&self, server: Server, signal: &str) {
        let pid = pid(&self.folder, server).unwrap();
        // Its child processes too: some are in its session, but each Postgres backend has a session of its own.
        let find = |how: &str| Command::new("pgrep").args([how, &pid]).output().unwrap().stdout;
        let found = [find("-s"), find("-P"), pid.clone().into_bytes()].concat();
        let pids = String::from_utf8(found).unwrap();
        let _ = Command::new("kill").arg(signal).args(pids.split_whitespace()).status();
    }

    /// Stops a server gracefully, if it runs, and starts it again.
    pub async fn restart(&self, server: Server) {
        stack(&self.folder, &["restart", server.name()]).await;
    }

    /// Kills the broker, removes everything that it stored and starts it again.
    pub async fn wipe_broker(&self) {
        self.kill(Server::RabbitMq).await;
        std::fs::remove_dir_all(self.folder.join("rabbitmq/mnesia")).unwrap();
        self.restart(Server::RabbitMq).await;
    }

    /// Moves the private database to a small disk of its own. Needs root.
    pub async fn move_to_small_disk(&self, mebibytes: u32) -> SmallDisk {
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

    /// Drops the private database. Must be called before its disk is dropped.
    pub async fn drop_database(&self) {
        let name = &self.servers.prefix;
        crate::servers::execute_outside(&self.servers, &format!("drop database {name} with (force)")).await;
    }

    /// Runs `rabbitmqctl`.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> String {
        stack(&self.folder, &[&["rabbitmqctl"], arguments].concat()).await
    }

    /// Runs `redis-cli` with these arguments.
    pub fn redis(&self, arguments: &[&str]) -> String {
        self.servers.redis(arguments)
    }
}

/// A disk with one database and nothing else. Unmounted on drop.
pub struct SmallDisk {
    files: PathBuf,
}

impl SmallDisk {
    /// Fills the disk completely.
    pub fn fill(&self) {
        let zeros = format!("of={}", self.filler().display());
        // `dd` fails once the disk is full.
        let _ = Command::new("dd").args(["if=/dev/zero", "bs=4096", "status=none", &zeros]).output().unwrap();
    }

    /// Frees the space that [`SmallDisk::fill`] used.
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

/// Runs the stack script on the folder and returns its output.
async fn stack(folder: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Command::new(STACK);
    command.args(arguments).env("MUSTER_STACK_DIR", folder);
    #[expect(clippy::disallowed_methods, reason = "a test has no tasks of a service")]
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "stack failed: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
