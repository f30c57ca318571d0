//! `muster ingest`.

use std::sync::Arc;
use std::time::Duration;

use muster_ingest::IngestDeps;
use muster_ports::Publisher;

use crate::cli::IngestArgs;
use crate::wiring::{self, Pool, Process};

pub(crate) async fn run(args: IngestArgs) -> anyhow::Result<()> {
    args.log.init()?;
    let process = Process::start(&args.stop);
    let pool = Pool { name: "ingest", connections: 16, acquire: Duration::from_secs(5) };
    let store = process.store(&args.database, &pool)?;
    wiring::wait_for_store(&*store, &process.shutdown).await?;
    let queue = Arc::new(process.queue(&args.queue, "ingest"));
    let publisher: Arc<dyn Publisher> = queue.clone();
    let deps = IngestDeps {
        store: store.clone(),
        dead_letters: Some(queue.clone()),
        queue,
        raw: Arc::new(wiring::raw_store(&args.raw_store.raw_store)?),
        counters: wiring::counters(&args.counters)?,
        tasks: process.tasks.clone(),
        shutdown: process.shutdown.clone(),
    };
    let config = wiring::ingest_config(&args.http, &args.import, Some(&args.payload));
    let ready = wiring::ready(store.clone(), Some(publisher));
    process.serve(&args.http, muster_ingest::router(deps.clone(), config.clone()), ready)?;
    muster_ingest::start(&deps, &config);
    drop(deps);
    process.run_to_end(Some(&store)).await;
    Ok(())
}
