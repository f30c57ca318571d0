//! Keeps the counters in step with the ledger.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use muster_domain::JobId;
use muster_ports::{RunningJob, StoreError};

use crate::IngestDeps;
use crate::metrics::Repair;

/// The number of checks in a row after which lagging counters are rebuilt: by then every worker has had the time to
/// count.
const CHECKS_BEFORE_REBUILD: u32 = 2;
/// The maximum number of jobs whose counters are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;

/// Rebuilds counters that are missing, or that lagged the ledger in several checks in a row.
#[derive(Default)]
pub(crate) struct CounterRepair {
    /// In how many checks in a row the counters of a job lagged its ledger.
    lagging: HashMap<JobId, u32>,
}

impl CounterRepair {
    /// Checks the counters of all running jobs. Their ledgers were read before, so that batches counted in between are
    /// not taken for a lag.
    pub(crate) async fn check(&mut self, deps: &IngestDeps, running: &[RunningJob]) {
        let ids: HashSet<JobId> = running.iter().map(|job| job.job).collect();
        self.lagging.retain(|job, _| ids.contains(job));
        let read = |job: RunningJob| {
            let counters = deps.counters.clone();
            async move { (job, counters.read(job.job).await) }
        };
        let reads: Vec<_> = running.iter().copied().map(read).collect();
        let mut views = futures_util::stream::iter(reads).buffer_unordered(MAX_CONCURRENT_READS);
        while let Some((job, view)) = views.next().await {
            let Ok(view) = view else { continue };
            if view.as_ref().is_some_and(|view| view.batches >= job.applied) {
                self.lagging.remove(&job.job);
                continue;
            }
            let checks = self.lagging.entry(job.job).or_default();
            *checks += 1;
            if view.is_none() || *checks >= CHECKS_BEFORE_REBUILD {
                self.lagging.remove(&job.job);
                if let Err(error) = rebuild(deps, job.job).await {
                    tracing::warn!(job = %job.job, %error, "could not rebuild counters; will retry");
                }
            }
        }
    }
}

/// Rebuilds the counters of a job. The ledger is read after the old view is gone: a worker that counts in between finds
/// no view and rebuilds it too.
async fn rebuild(deps: &IngestDeps, job: JobId) -> Result<(), StoreError> {
    // While the counters are unavailable, the status is read from the ledger.
    let _ = deps.counters.forget(job).await;
    let _ = deps.counters.rebuild(job, &deps.store.ledger_snapshot(job).await?).await;
    deps.metrics.count_repair(Repair::CountersRebuilt);
    Ok(())
}
