//! `muster status`.

use std::time::Duration;

use muster_status::{StatusDeps, StatusMetrics};

use crate::adapters::{self, Pool};
use crate::cli::StatusArgs;
use crate::process::Process;

pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let process = Process::start("status", &args.process)?;
    let pool = Pool { name: "status", connections: 6, acquire_timeout: Duration::from_secs(2) };
    let store = adapters::postgres_store(&process, &args.database, &pool)?;
    let ready = adapters::readiness(store.clone(), None);
    process.serve_admin(&args.process.metrics, ready.clone())?;
    adapters::wait_for_store(&store, &process.shutdown).await?;
    let deps = StatusDeps {
        store: store.clone(),
        counters: adapters::redis_counters(&args.counters)?,
        metrics: StatusMetrics::new(&process.meter()),
        public_url: args.http.public_url.clone(),
    };
    process.serve(&args.http, muster_status::router(deps), ready)?;
    process.mark_started();
    process.run_until_stopped(Some(&store)).await;
    Ok(())
}
