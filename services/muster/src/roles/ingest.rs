//! `muster ingest`.

use std::sync::Arc;
use std::time::Duration;

use muster_ingest::{IngestConfig, IngestDeps, IngestMetrics};
use muster_ports::Publisher;

use crate::adapters::{self, Pool};
use crate::cli::IngestArgs;
use crate::process::Process;

pub(crate) async fn run(args: IngestArgs) -> anyhow::Result<()> {
    let process = Process::start("ingest", &args.process)?;
    let pool = Pool { name: "ingest", connections: 16, acquire_timeout: Duration::from_secs(5) };
    let store = adapters::postgres_store(&process, &args.servers.database, &pool)?;
    let queue = Arc::new(adapters::rabbit_queue(&process, &args.servers.queue, "ingest"));
    let publisher: Arc<dyn Publisher> = queue.clone();
    let ready = adapters::readiness(store.clone(), Some(publisher));
    process.serve_admin(&args.process.metrics, ready.clone())?;
    adapters::wait_for_store(&store, &process.shutdown).await?;
    let deps = IngestDeps {
        store: store.clone(),
        dead_letters: Some(queue.clone()),
        queue,
        raw: Arc::new(adapters::raw_store(&args.raw_store.raw_store)?),
        counters: adapters::redis_counters(&args.servers.counters)?,
        metrics: IngestMetrics::new(&process.meter()),
        tasks: process.tasks.clone(),
        shutdown: process.shutdown.clone(),
    };
    let config = IngestConfig {
        job_window: usize::from(args.windows.job_window),
        total_window: usize::from(args.windows.total_window),
        ..adapters::ingest_config(&args.http, &args.import, Some(&args.payload))
    };
    process.serve(&args.http, muster_ingest::router(deps.clone(), config.clone()), ready)?;
    muster_ingest::start(&deps, &config);
    drop(deps);
    process.mark_started();
    process.run_until_stopped(Some(&store)).await;
    Ok(())
}
