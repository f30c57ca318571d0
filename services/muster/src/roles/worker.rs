//! `muster worker`.

use std::sync::Arc;
use std::time::Duration;

use muster_worker::{WorkerConfig, WorkerDeps, WorkerMetrics};

use crate::adapters::{self, Pool};
use crate::cli::WorkerArgs;
use crate::process::Process;

/// Connections in addition to one per slot: for the small lane and for reads.
const SPARE_CONNECTIONS: u32 = 2;

pub(crate) async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    let process = Process::start("worker", &args.process)?;
    let connections = u32::from(args.concurrency) + SPARE_CONNECTIONS;
    let pool = Pool { name: "worker", connections, acquire_timeout: Duration::from_secs(30) };
    let store = adapters::postgres_store(&process, &args.servers.database, &pool)?;
    let queue = Arc::new(adapters::rabbit_queue(&process, &args.servers.queue, "worker"));
    process.serve_admin(&args.process.metrics, adapters::readiness(store.clone(), Some(queue.clone())))?;
    adapters::wait_for_store(&store, &process.shutdown).await?;
    adapters::wait_for_queue(&*queue, &process.shutdown).await;
    let deps = WorkerDeps {
        store: store.clone(),
        queue,
        counters: adapters::redis_counters(&args.servers.counters)?,
        metrics: WorkerMetrics::new(&process.meter()),
        tasks: process.tasks.clone(),
        shutdown: process.shutdown.clone(),
    };
    let config = WorkerConfig {
        concurrency: usize::from(args.concurrency),
        payload_key: args.payload.payload_key.as_ref().map(|key| key.0),
    };
    muster_worker::start(&deps, &config);
    drop(deps);
    process.mark_started();
    tracing::info!(concurrency = config.concurrency, "worker ready");
    process.run_until_stopped(Some(&store)).await;
    Ok(())
}
