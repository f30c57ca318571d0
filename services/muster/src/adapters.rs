//! Builds the adapters of a role from its settings, and waits until they can be reached.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use muster_http::Ready;
use muster_ingest::IngestConfig;
use muster_ports::{Counters, CutRules, Publisher, Queries, Store, StoreError};
use muster_postgres::{PostgresConfig, PostgresStore};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_rawstore::ObjectRawStore;
use muster_redis::{RedisConfig, RedisCounters};
use muster_runtime::{Backoff, Shutdown};

use crate::process::Process;
use crate::settings::{CountersArgs, DatabaseArgs, HttpArgs, ImportArgs, PayloadArgs, QueueArgs};

const PUBLISH_DEADLINE: Duration = Duration::from_secs(30);

/// The connection pool of a role.
pub(crate) struct Pool {
    /// Part of the application name that Postgres shows.
    pub(crate) name: &'static str,
    pub(crate) connections: u32,
    /// How long to wait for a free connection.
    pub(crate) acquire_timeout: Duration,
}

impl Pool {
    pub(crate) fn config(&self, args: &DatabaseArgs) -> PostgresConfig {
        PostgresConfig {
            url: args.database_url.clone(),
            max_connections: self.connections,
            application_name: format!("muster {}", self.name),
            acquire_timeout: self.acquire_timeout,
        }
    }
}

pub(crate) fn postgres_store(
    process: &Process,
    args: &DatabaseArgs,
    pool: &Pool,
) -> anyhow::Result<Arc<PostgresStore>> {
    let store = PostgresStore::new(&pool.config(args), process.shutdown.clone());
    Ok(Arc::new(store.context("MUSTER_DATABASE_URL cannot be used")?))
}

/// `name` becomes part of the connection name that RabbitMQ shows.
pub(crate) fn rabbit_queue(process: &Process, args: &QueueArgs, name: &str) -> RabbitQueue {
    let config = RabbitConfig {
        url: args.amqp_url.clone(),
        namespace: args.queue_prefix.clone(),
        connection_name: format!("muster {name}"),
        publish_deadline: PUBLISH_DEADLINE,
    };
    RabbitQueue::new(config, process.tasks.clone(), process.shutdown.clone())
}

pub(crate) fn redis_counters(args: &CountersArgs) -> anyhow::Result<Arc<dyn Counters>> {
    let config = RedisConfig { url: args.redis_url.clone(), namespace: args.redis_prefix.clone() };
    Ok(Arc::new(RedisCounters::new(config).context("MUSTER_REDIS_URL cannot be used")?))
}

/// Opens the raw store. The settings of a cloud are the variables that its own tools use.
pub(crate) fn raw_store(url: &str) -> anyhow::Result<ObjectRawStore> {
    let is_of_cloud = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix));
    let options = std::env::vars().filter(|(name, _)| is_of_cloud(name));
    let options = options.map(|(name, value)| (name.to_ascii_lowercase(), value));
    ObjectRawStore::open(url, options).context("MUSTER_RAW_STORE cannot be used")
}

pub(crate) fn ingest_config(http: &HttpArgs, import: &ImportArgs, payload: Option<&PayloadArgs>) -> IngestConfig {
    IngestConfig {
        public_url: http.public_url.clone(),
        max_upload_bytes: import.max_upload_bytes,
        max_uploads: usize::from(import.max_uploads),
        max_uploads_per_tenant: usize::from(import.max_uploads_per_tenant),
        cut: CutRules {
            unpacked_bytes: import.max_unpacked_bytes,
            max_failed_rows: import.max_failed_rows,
            ..CutRules::default()
        },
        retain_uploads: import.retain_uploads_days.0,
        retain_rejections: import.retain_reports_days.0,
        payload_key: payload.and_then(|payload| payload.payload_key.as_ref()).map(|key| key.0),
        ..IngestConfig::default()
    }
}

/// Waits until the database can be reached. Fails at once if its schema does not fit this version, or if it is set up so
/// that rows could be lost.
pub(crate) async fn wait_for_store(store: &PostgresStore, shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut backoff = Backoff::reconnect();
    loop {
        match check_store(store).await {
            Ok(()) => return Ok(()),
            // A wrong password or a missing privilege at the start is a mistake in the settings: say so and end.
            Err(error @ StoreError::NeedsRepair { .. }) => return Err(error.into()),
            Err(error) if error.is_transient() && !shutdown.is_requested() => {
                tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "waiting for the database");
                shutdown.run_until_requested(backoff.wait()).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn check_store(store: &PostgresStore) -> Result<(), StoreError> {
    // First: a pooler that shares sessions makes any prepared statement fail with an error that explains nothing.
    store.check_sessions().await?;
    store.check_ready().await
}

/// Waits until the queue can be reached or the process is to stop.
pub(crate) async fn wait_for_queue(queue: &dyn Publisher, shutdown: &Shutdown) {
    let mut backoff = Backoff::reconnect();
    while !shutdown.is_requested() {
        let Err(error) = queue.check_ready().await else { return };
        tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "waiting for the queue");
        shutdown.run_until_requested(backoff.wait()).await;
    }
}

/// The readiness check of a role: the database, and the queue if the role has one.
pub(crate) fn readiness(store: Arc<dyn Store>, queue: Option<Arc<dyn Publisher>>) -> Ready {
    Arc::new(move || {
        let (store, queue) = (store.clone(), queue.clone());
        Box::pin(async move {
            store.check_ready().await.map_err(|error| error.to_string())?;
            match queue {
                Some(queue) => queue.check_ready().await.map_err(|error| error.to_string()),
                None => Ok(()),
            }
        })
    })
}
