//! The connections of a process to the database.

use std::sync::Arc;
use std::time::Duration;

use muster_ports::StoreError;
use muster_runtime::{Shutdown, Tasks};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};

use crate::apply::Guesses;
use crate::error::store_error;
use crate::signals::SignalSource;

/// How to reach the database.
#[derive(Debug)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// Connections at most.
    pub max_connections: u32,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
}

/// Asks one question on a connection of its own: `ask!(store, connection => query.fetch_all(connection))`.
/// The client gives up after [`CLIENT_DEADLINE`](crate::transaction::CLIENT_DEADLINE); then the
/// connection is closed, because nobody knows what it will still answer. (A deadline around a query
/// on the pool would return it to the pool.)
macro_rules! ask {
    ($store:expr, $connection:ident => $question:expr) => {{
        let mut held = $store.pool.acquire().await.map_err($crate::error::store_error)?;
        let answer = {
            let $connection = &mut *held;
            tokio::time::timeout($crate::transaction::CLIENT_DEADLINE, $question).await
        };
        match answer {
            Ok(answer) => answer.map_err($crate::error::store_error),
            Err(_) => {
                held.close_on_drop();
                Err(muster_ports::StoreError::Unavailable(None))
            }
        }
    }};
}
pub(crate) use ask;

/// The store on PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) pool: PgPool,
    pub(crate) tasks: Tasks,
    pub(crate) signals: SignalSource,
    pub(crate) guesses: Arc<Guesses>,
}

/// What the server ends by itself. Ordered: a statement gives up before the client does
/// ([`crate::transaction::CLIENT_DEADLINE`]).
const SERVER_DEADLINES: [(&str, &str); 4] = [
    ("statement_timeout", "60s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "15s"),
    // "create temporary table if not exists" has nothing to tell.
    ("client_min_messages", "warning"),
];

/// How the server plans. A plan that was made while a table was empty, and kept, scans all of the table when it has
/// grown (a million rows then took a minute and more instead of ten seconds), so each is made for the tables as they
/// are. And tables this size are looked up on disks without heads.
const PLANNING: [(&str, &str); 2] = [("plan_cache_mode", "force_custom_plan"), ("random_page_cost", "1.1")];

impl PostgresStore {
    /// Prepares connections; the first is made when it is needed. `shutdown` ends the listener.
    pub fn new(config: &PostgresConfig, shutdown: Shutdown) -> Result<Self, StoreError> {
        let options = connect_options(config)?.options(SERVER_DEADLINES).options(PLANNING);
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .connect_lazy_with(options);
        let tasks = Tasks::new();
        let signals = SignalSource::new(pool.clone(), tasks.clone(), shutdown);
        Ok(Self { pool, tasks, signals, guesses: Arc::default() })
    }

    /// Creates or updates the schema.
    pub async fn migrate(config: &PostgresConfig) -> Result<(), StoreError> {
        let options = connect_options(config)?;
        let connecting = tokio::time::timeout(config.acquire_timeout, PgConnection::connect_with(&options)).await;
        let mut connection = connecting.map_err(|_| StoreError::Unavailable(None))?.map_err(store_error)?;
        sqlx::migrate!("./migrations").run(&mut connection).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => store_error(error),
            other => StoreError::Unavailable(Some(Box::new(other))),
        })
    }

    /// The version of the schema that this build needs.
    pub(crate) fn schema_version() -> i64 {
        sqlx::migrate!("./migrations").iter().map(|migration| migration.version).max().unwrap_or_default()
    }

    /// Waits for transactions under way and closes the connections.
    pub async fn close(&self, limit: Duration) {
        self.tasks.wait(limit).await;
        let _ = tokio::time::timeout(limit, self.pool.close()).await;
    }
}

fn connect_options(config: &PostgresConfig) -> Result<PgConnectOptions, StoreError> {
    let url = config.url.expose_secret();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::Address);
    }
    let options: PgConnectOptions = url.parse().map_err(|_| StoreError::Address)?;
    Ok(options.application_name(&config.application_name))
}
