//! The store: its settings, and one module for each trait of the port.

mod batches;
mod finish;
mod jobs;
mod queries;
mod retention;
mod splits;
mod tenants;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use muster_ports::StoreError;
use muster_runtime::{Shutdown, Tasks};
use muster_sql::repair::Repair;
use secrecy::{ExposeSecret, SecretString};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};

use crate::apply::LookupHints;
use crate::connection::database::Database;
use crate::connection::error::store_error;
use crate::connection::session;
use crate::migrate;
use crate::signals::SignalSource;

/// How to reach the database.
#[derive(Debug)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// The maximum number of connections.
    pub max_connections: u32,
    /// What `pg_stat_activity` shows.
    pub application_name: String,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
}

/// The store on PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    database: Database,
    signals: SignalSource,
    lookup_hints: Arc<LookupHints>,
}

impl PostgresStore {
    /// Prepares the pool; the first connection is opened when it is needed. `shutdown` ends the listener.
    pub fn new(config: &PostgresConfig, shutdown: Shutdown) -> Result<Self, StoreError> {
        let options = connect_options(config)?;
        let pool = PgPoolOptions::new()
            .after_connect(|connection, _| Box::pin(session::prepare(connection)))
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .connect_lazy_with(options);
        let tasks = Tasks::new();
        let signals = SignalSource::new(pool.clone(), tasks.clone(), shutdown);
        Ok(Self {
            database: Database { pool, tasks, repair: Repair::default() },
            signals,
            lookup_hints: Arc::default(),
        })
    }

    /// Checks that what lies between Muster and the server keeps its promises, for the start of a service.
    pub async fn check_sessions(&self) -> Result<(), StoreError> {
        session::check(&self.database.pool).await
    }

    /// Creates or updates the schema.
    pub async fn migrate(config: &PostgresConfig) -> Result<(), StoreError> {
        let options = connect_options(config)?;
        let connecting = tokio::time::timeout(config.acquire_timeout, PgConnection::connect_with(&options)).await;
        let mut connection = connecting.map_err(|_| StoreError::Unavailable(None))?.map_err(store_error)?;
        migrate::run(&mut connection).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => store_error(error),
            other => StoreError::Unavailable(Some(Box::new(other))),
        })
    }

    /// Waits for running transactions and closes the connections.
    pub async fn close(&self, limit: Duration) {
        self.database.close(limit).await;
    }
}

fn connect_options(config: &PostgresConfig) -> Result<PgConnectOptions, StoreError> {
    let url = config.url.expose_secret();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(StoreError::InvalidUrl);
    }
    let options: PgConnectOptions = url.parse().map_err(|_| StoreError::InvalidUrl)?;
    // PgBouncer refuses this parameter, and no number is read as a float.
    Ok(options.application_name(&config.application_name).extra_float_digits(None))
}
