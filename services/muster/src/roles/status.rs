//! `muster status`.

use std::time::Duration;

use muster_status::StatusDeps;

use crate::cli::StatusArgs;
use crate::wiring::{self, Pool, Process};

pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<()> {
    args.log.init()?;
    let process = Process::start(&args.stop);
    let pool = Pool { name: "status", connections: 6, acquire: Duration::from_secs(2) };
    let store = process.store(&args.database, &pool)?;
    wiring::wait_for_store(&*store, &process.shutdown).await?;
    let deps = StatusDeps {
        store: store.clone(),
        counters: wiring::counters(&args.counters)?,
        public_url: args.http.public_url.clone(),
    };
    process.serve(&args.http, muster_status::router(deps), wiring::ready(store.clone(), None))?;
    process.run_to_end(Some(&store)).await;
    Ok(())
}
