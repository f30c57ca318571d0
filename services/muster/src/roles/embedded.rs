//! All services in one process, on SQLite, with queue and counters in memory.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use muster_ingest::{IngestConfig, IngestDeps, IngestMetrics};
use muster_memory::{MemoryCounters, MemoryQueue};
use muster_ports::{Scope, TenantSettings, Tenants, Upkeep};
use muster_rawstore::ObjectRawStore;
use muster_sqlite::SqliteStore;
use muster_status::{StatusDeps, StatusMetrics};
use muster_worker::{WorkerConfig, WorkerDeps, WorkerMetrics};

use crate::adapters::readiness;
use crate::admin::tokens::create_token;
use crate::process::Process;
use crate::settings::HttpArgs;

/// Batches that are checked concurrently. Writes are sequential.
const CONCURRENCY: usize = 2;
/// Maximum number of batches in memory, over all jobs: 64 MiB at 512 KiB each.
const TOTAL_WINDOW: usize = 128;

/// The running services.
pub(crate) struct Embedded {
    pub(crate) url: String,
    pub(crate) store: Arc<SqliteStore>,
}

/// Starts all services on a data folder.
pub(crate) async fn start(
    process: &Process,
    folder: &Path,
    http: &HttpArgs,
    config: IngestConfig,
) -> anyhow::Result<Embedded> {
    let store = Arc::new(SqliteStore::open(folder)?);
    // The folder is locked, so no other process holds a lease, and the queue in memory is empty.
    store.reset_unfinished().await?;
    let raw = ObjectRawStore::open_folder(&folder.join("raw"))?;
    let (tasks, shutdown) = (process.tasks.clone(), process.shutdown.clone());
    let queue = Arc::new(MemoryQueue::new(tasks.clone(), shutdown.clone()));
    let counters = Arc::new(MemoryCounters::new());
    let config = IngestConfig { total_window: TOTAL_WINDOW, ..config };

    let ingest = IngestDeps {
        store: store.clone(),
        queue: queue.clone(),
        // Lost with the process, like the batches, whose jobs are split again.
        dead_letters: None,
        raw: Arc::new(raw),
        counters: counters.clone(),
        metrics: IngestMetrics::new(&process.meter()),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    let metrics = WorkerMetrics::new(&process.meter());
    let worker = WorkerDeps { store: store.clone(), queue, counters: counters.clone(), metrics, tasks, shutdown };
    let metrics = StatusMetrics::new(&process.meter());
    let status = StatusDeps { store: store.clone(), counters, metrics, public_url: http.public_url.clone() };

    let routes = muster_ingest::router(ingest.clone(), config.clone()).merge(muster_status::router(status));
    let url = process.serve(http, routes, readiness(store.clone(), None))?;
    muster_worker::start(&worker, &WorkerConfig { concurrency: CONCURRENCY, payload_key: None });
    muster_ingest::start(&ingest, &config);
    Ok(Embedded { url, store })
}

/// Creates the first tenant and returns its token, or `None` if there is a tenant already.
pub(crate) async fn create_first_token(store: &SqliteStore) -> anyhow::Result<Option<String>> {
    if !store.list_tenants().await?.is_empty() {
        return Ok(None);
    }
    let tenant =
        store.create_tenant("default", TenantSettings::default()).await?.context("the first tenant already exists")?;
    Ok(Some(create_token(store, tenant, Scope::ALL.to_vec(), None).await?))
}
