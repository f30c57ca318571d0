//! Private databases and names on real servers.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

use crate::program::Program;

/// A private database and private names on servers that `tests/run` starts.
#[derive(Clone, Debug)]
pub struct Servers {
    /// The URL of a private, migrated database.
    pub database_url: String,
    /// The URL of the broker.
    pub amqp_url: String,
    /// The URL of Redis.
    pub redis_url: String,
    /// A private prefix of queues and keys.
    pub prefix: String,
}

/// The name of the database that all others are copied from.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub(crate) fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tests/run passes the URLs of the servers")]
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests with tests/run, which starts the servers"))
}

impl Servers {
    /// Creates a private database on the shared servers.
    pub async fn create(binary: &str) -> Self {
        let variables = ["MUSTER_TEST_DATABASE_URL", "MUSTER_TEST_AMQP_URL", "MUSTER_TEST_REDIS_URL"];
        Self::create_on(&TEMPLATE, binary, &variables.map(variable)).await
    }

    /// Creates a private database on the servers with these URLs: of Postgres, the broker and Redis.
    pub(crate) async fn create_on(template: &OnceCell<String>, binary: &str, urls: &[String; 3]) -> Self {
        let [server, amqp_url, redis_url] = urls.clone();
        let template = template.get_or_init(|| create_template(&server, binary)).await;
        let name = format!("test_{:016x}", rand::random::<u64>());
        execute(&server, &format!("create database {name} template {template}")).await;
        Self { database_url: with_database(&server, &name), amqp_url, redis_url, prefix: name }
    }

    /// Runs a statement in the private database.
    pub async fn execute(&self, statement: &str) {
        execute(&self.database_url, statement).await;
    }

    /// Queries the private database for rows of text.
    pub async fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| (0..row.len()).map(|index| row.get(index)).collect()).collect()
    }

    /// Runs `redis-cli` with these arguments.
    pub fn redis(&self, arguments: &[&str]) -> String {
        let output = std::process::Command::new("redis-cli")
            .args(["--no-auth-warning", "-u", &self.redis_url])
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Queries the private database for a number.
    pub async fn number(&self, query: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.database_url).await.unwrap();
        let query = format!("select ({query})::bigint");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap()
    }
}

async fn create_template(server: &str, binary: &str) -> String {
    let name = format!("template_{:016x}", rand::random::<u64>());
    execute(server, &format!("create database {name}")).await;
    let url = ("MUSTER_DATABASE_URL".to_owned(), with_database(server, &name));
    Program::run(binary, &["migrate"], &[url]).unwrap();
    name
}

async fn execute(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    // One at a time in all test processes, by an advisory lock: CREATE DATABASE needs exclusive use of its template.
    sqlx::query("select pg_advisory_lock(7301)").execute(&mut connection).await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Runs a statement on the server of a private database, but in another database.
pub(crate) async fn execute_outside(servers: &Servers, statement: &str) {
    execute(&with_database(&servers.database_url, "postgres"), statement).await;
}

/// The URL of another database on the same server.
fn with_database(url: &str, database: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}
