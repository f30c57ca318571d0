//! Private corners of real servers.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

use crate::program::Program;

/// The servers named by the environment; `tests/run` starts them.
#[derive(Clone, Debug)]
pub struct Servers {
    /// A database of the test's own, migrated.
    pub database_url: String,
    /// The broker.
    pub amqp_url: String,
    /// Redis.
    pub redis_url: String,
    /// A name of the test's own, for queues and keys.
    pub prefix: String,
}

/// The database that all others are copied from.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub(crate) fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "the tests are told by their runner where the servers are")]
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests by tests/run, which starts the servers"))
}

impl Servers {
    /// Makes a private database and names.
    pub async fn private(binary: &str) -> Self {
        let variables = ["MUSTER_TEST_DATABASE_URL", "MUSTER_TEST_AMQP_URL", "MUSTER_TEST_REDIS_URL"];
        Self::corner(&TEMPLATE, binary, &variables.map(variable)).await
    }

    /// Makes a private database and names on the servers at these addresses.
    pub(crate) async fn corner(template: &OnceCell<String>, binary: &str, urls: &[String; 3]) -> Self {
        let [server, amqp_url, redis_url] = urls.clone();
        let template = template.get_or_init(|| make_template(&server, binary)).await;
        let name = format!("test_{:016x}", rand::random::<u64>());
        // Copies of one template exclude each other; the server says so, and the lock waits.
        execute(&server, &format!("create database {name} template {template}")).await;
        Self { database_url: with_database(&server, &name), amqp_url, redis_url, prefix: name }
    }

    /// Runs a statement in the private database.
    pub async fn execute(&self, statement: &str) {
        execute(&self.database_url, statement).await;
    }

    /// Asks the private database for rows of text.
    pub async fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| (0..row.len()).map(|index| row.get(index)).collect()).collect()
    }

    /// Sends a command to Redis.
    pub fn redis(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new("redis-cli")
            .args(["--no-auth-warning", "-u", &self.redis_url])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Asks the private database for a number.
    pub async fn number(&self, query: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        let query = format!("select ({query})::bigint");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap()
    }
}

async fn make_template(server: &str, binary: &str) -> String {
    let name = format!("template_{:016x}", rand::random::<u64>());
    execute(server, &format!("create database {name}")).await;
    let url = ("MUSTER_DATABASE_URL".to_owned(), with_database(server, &name));
    Program::run(binary, &["migrate"], &[url]).unwrap();
    name
}

async fn execute(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    // One at a time over all tests, by a lock of the server: CREATE DATABASE wants its template for itself.
    sqlx::query("select pg_advisory_lock(7301)").execute(&mut connection).await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs a statement on the server of a private database, but not in it.
pub(crate) async fn execute_beside(servers: &Servers, statement: &str) {
    execute(&with_database(&servers.database_url, "postgres"), statement).await;
}

/// The address of another database on the same server.
fn with_database(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}
