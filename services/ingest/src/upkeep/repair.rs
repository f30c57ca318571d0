//! Repairs of single jobs, each in a task of its own, so that no job keeps another one waiting.

use std::collections::HashMap;
use std::time::Duration;

use muster_domain::{JobId, TenantId};
use muster_ports::{StoreError, finish_job_and_start_next, publish_split_request};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::IngestDeps;
use crate::metrics::Repair;
use crate::stall;

/// The maximum number of repairs at the same time.
const MAX_REPAIRS: usize = 16;
/// The minimum time between two repairs of one job: the first one may have failed.
const REPAIR_INTERVAL: Duration = Duration::from_secs(10);

/// The repairs that were started a short time ago.
#[derive(Default)]
pub(crate) struct Repairs {
    started: HashMap<JobId, (Instant, JoinHandle<()>)>,
}

impl Repairs {
    /// Starts a repair, unless one of this job was started a short time ago or too many are running. A later pass of the
    /// reconciler then starts it.
    pub(crate) fn start<F>(&mut self, deps: &IngestDeps, job: JobId, repair: F)
    where
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        self.started.retain(|_, (at, task)| !task.is_finished() || at.elapsed() < REPAIR_INTERVAL);
        let running = self.started.values().filter(|(_, task)| !task.is_finished()).count();
        if running >= MAX_REPAIRS || self.started.contains_key(&job) {
            return;
        }
        let task = deps.tasks.spawn("repair job", async move {
            if let Err(error) = repair.await {
                tracing::warn!(%job, %error, "could not repair a job; will retry");
            }
        });
        self.started.insert(job, (Instant::now(), task));
    }
}

/// Finishes a job whose batches are all applied.
pub(crate) async fn finish(deps: IngestDeps, job: JobId) -> Result<(), StoreError> {
    if let Some(finished) = finish_job_and_start_next(&*deps.store, &*deps.queue, job).await? {
        tracing::info!(%job, state = finished.state.as_str(), "job finished");
        deps.metrics.count_repair(Repair::Finished);
        deps.metrics.count_finished(finished.state);
        // Otherwise they expire an hour later.
        let _ = deps.counters.retire(job).await;
    }
    Ok(())
}

/// Ends a job whose stop was started and not completed.
pub(crate) async fn complete_stop(deps: IngestDeps, tenant: TenantId, job: JobId) -> Result<(), StoreError> {
    if let Some(finished) = deps.store.complete_stop(tenant, job).await? {
        tracing::info!(%job, state = finished.state.as_str(), "completed the stop of a job");
        deps.metrics.count_repair(Repair::Stopped);
        deps.metrics.count_finished(finished.state);
        let _ = deps.counters.retire(job).await;
    }
    Ok(())
}

/// Restarts the split of a job if its missing batches were lost.
pub(crate) async fn restart_split(deps: IngestDeps, job: JobId, split_ms: i64) -> Result<(), StoreError> {
    if stall::are_lost(&*deps.queue, &*deps.store, split_ms).await? && deps.store.restart_split(job).await? {
        tracing::warn!(%job, "batches of this job are missing; its split restarts");
        deps.metrics.count_repair(Repair::SplitRestarted);
        // If the queue is unavailable, a later pass requests the split.
        let _ = publish_split_request(&*deps.queue, job, Vec::new()).await;
    }
    Ok(())
}
