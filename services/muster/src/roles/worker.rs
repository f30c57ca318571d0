//! `muster worker`.

use std::sync::Arc;
use std::time::Duration;

use muster_worker::{WorkerConfig, WorkerDeps, WorkerMetrics};

use crate::cli::WorkerArgs;
use crate::wiring::{self, Pool, Process};

/// Connections beside those of the slots: the small lane, and reading.
const SPARE_CONNECTIONS: u32 = 2;

pub(crate) async fn run(args: WorkerArgs) -> anyhow::Result<()> {
    let process = Process::start("worker", &args.process)?;
    let connections = u32::from(args.concurrency) + SPARE_CONNECTIONS;
    let pool = Pool { name: "worker", connections, acquire: Duration::from_secs(30) };
    let store = process.store(&args.servers.database, &pool)?;
    let queue = Arc::new(process.queue(&args.servers.queue, "worker"));
    process.serve_apart(&args.process.metrics, wiring::ready(store.clone(), Some(queue.clone())))?;
    wiring::wait_for_store(&*store, &process.shutdown).await?;
    wiring::wait_for_queue(&*queue, &process.shutdown).await;
    let deps = WorkerDeps {
        store: store.clone(),
        queue,
        counters: wiring::counters(&args.servers.counters)?,
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
    process.begun();
    tracing::info!(concurrency = config.concurrency, "worker ready");
    process.run_to_end(Some(&store)).await;
    Ok(())
}
