//! `muster status`.

use std::time::Duration;

use muster_status::{StatusDeps, StatusMetrics};

use crate::cli::StatusArgs;
use crate::wiring::{self, Pool, Process};

pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let process = Process::start("status", &args.process)?;
    let pool = Pool { name: "status", connections: 6, acquire: Duration::from_secs(2) };
    let store = process.store(&args.database, &pool)?;
    let ready = wiring::ready(store.clone(), None);
    process.serve_apart(&args.process.metrics, ready.clone())?;
    wiring::wait_for_store(&*store, &process.shutdown).await?;
    let deps = StatusDeps {
        store: store.clone(),
        counters: wiring::counters(&args.counters)?,
        metrics: StatusMetrics::new(&process.meter()),
        public_url: args.http.public_url.clone(),
    };
    process.serve(&args.http, muster_status::router(deps), ready)?;
    process.begun();
    process.run_to_end(Some(&store)).await;
    Ok(())
}
