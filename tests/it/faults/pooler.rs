//! A connection pooler, and a database that could lose commits.

use std::process::{Child, Command, Stdio};

use muster_testkit::{Backend, Program, Servers, Site, SiteOptions, wait_until};
use tempfile::TempDir;
use url::Url;

use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::users;

/// A PgBouncer in front of a database. Killed on drop.
struct PgBouncer {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl PgBouncer {
    async fn start(servers: &Servers, pool_mode: &str) -> Self {
        let server: Url = servers.database_url.parse().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (host, user) = (server.host_str().unwrap(), server.username());
        let (password, database) = (server.password().unwrap(), server.path().trim_start_matches('/'));
        let folder = TempDir::new().unwrap();
        let configuration = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{database} = host={host} port={} user={user} password={password}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = 40\n",
            server.port().unwrap_or(5432)
        );
        std::fs::write(&configuration, text).unwrap();
        // It does not run as root, and the user that runs it must be able to read its configuration.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new("/usr/sbin/pgbouncer");
        if rustix::process::getuid().is_root() {
            command.args(["--user", "nobody"]);
        }
        let process = command.arg(&configuration).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("PgBouncer listens", || async move {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
        let url = format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}");
        Self { process, url, _folder: folder }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn variables(servers: &Servers, database_url: &str) -> Vec<(String, String)> {
    let variables =
        [("DATABASE", database_url), ("AMQP", servers.amqp_url.as_str()), ("REDIS", servers.redis_url.as_str())];
    variables.map(|(name, url)| (format!("MUSTER_{name}_URL"), url.to_owned())).to_vec()
}

mod quick {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_pooler_that_pools_sessions_is_used() {
        let servers = Servers::create(MUSTER).await;
        let pooler = PgBouncer::start(&servers, "session").await;
        let options = SiteOptions {
            variables: vec![("MUSTER_DATABASE_URL".to_owned(), pooler.url.clone())],
            servers: Some(servers),
            ..SiteOptions::default()
        };
        let site = Site::start(MUSTER, Backend::Distributed, options).await;
        assert_eq!(site.client.import(users(["a", "b"])).await.counts(), created(2));
    }

    /// F68: a pooler that gives each transaction another session loses the settings and locks of a session.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_pooler_that_shares_sessions_is_refused_at_the_start() {
        let servers = Servers::create(MUSTER).await;
        for pool_mode in ["transaction", "statement"] {
            let pooler = PgBouncer::start(&servers, pool_mode).await;
            let error = Program::run(MUSTER, &["worker"], &variables(&servers, &pooler.url)).unwrap_err();
            assert!(error.contains("pool"), "{pool_mode}: {error}");
        }
    }

    /// F68: with `synchronous_commit = off` a crash of Postgres would lose rows that were reported as imported.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_that_could_lose_commits_is_refused_at_the_start() {
        let servers = Servers::create(MUSTER).await;
        let database = servers.database_url.rsplit_once('/').unwrap().1.to_owned();
        servers.execute(&format!("alter database {database} set synchronous_commit = off")).await;
        let error = Program::run(MUSTER, &["worker"], &variables(&servers, &servers.database_url)).unwrap_err();
        assert!(error.contains("synchronous_commit is off"), "{error}");
    }
}
