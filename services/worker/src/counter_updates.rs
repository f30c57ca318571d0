//! Sends applied batches, and the ends of jobs, to the counters without delaying their acknowledgement.
//!
//! Updates that fail, or do not fit into the bounded queue, are missing from the counters until the reconciler compares
//! them with the ledger.

use std::sync::Arc;

use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, CountersError, Recorded, StoreError};
use tokio::sync::mpsc;

use crate::{WorkerDeps, WorkerMetrics, WorkerStore};

/// Maximum number of updates waiting for the counters.
const MAX_WAITING_UPDATES: usize = 1024;

/// A change of the counters.
enum Update {
    /// A batch to be counted.
    Count { job: JobId, batch: BatchNo, counts: Counts, bytes: u64 },
    /// The job is final.
    Retire { job: JobId },
}

/// The queue of updates for the counters.
pub(crate) struct CounterUpdates {
    sender: mpsc::Sender<Update>,
    metrics: WorkerMetrics,
}

#[derive(Debug, thiserror::Error)]
enum UpdateError {
    #[error(transparent)]
    Counters(#[from] CountersError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CounterUpdates {
    /// Starts the task that sends the updates.
    pub(crate) fn start(deps: &WorkerDeps) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Update>(MAX_WAITING_UPDATES);
        let (store, counters, shutdown) = (deps.store.clone(), deps.counters.clone(), deps.shutdown.clone());
        let metrics = deps.metrics.clone();
        let failures = metrics.counting_failures.clone();
        deps.tasks.spawn("counting", async move {
            let sending = async {
                let mut failing = false;
                while let Some(update) = receiver.recv().await {
                    let result = send(&store, &counters, &update).await;
                    if result.is_err() {
                        failures.add(1, &[]);
                    }
                    match result {
                        Err(error) if !failing => {
                            let error = &error as &(dyn std::error::Error + 'static);
                            tracing::warn!(error, "could not update the counters; the status service reads the ledger");
                            failing = true;
                        }
                        Ok(()) if failing => {
                            tracing::info!("the counters are updated again");
                            failing = false;
                        }
                        Ok(()) | Err(_) => {}
                    }
                }
            };
            tokio::select! {
                biased;
                () = sending => {}
                () = shutdown.forced() => {}
            }
        });
        Self { sender, metrics }
    }

    /// Enqueues an applied batch. `bytes` is the size of its part of the decoded file.
    pub(crate) fn enqueue(&self, job: JobId, batch: BatchNo, counts: Counts, bytes: u64) {
        if self.sender.try_send(Update::Count { job, batch, counts, bytes }).is_err() {
            self.metrics.counting_failures.add(1, &[]);
            tracing::debug!(%job, "too many counter updates are waiting; the reconciler counts this batch");
        }
    }

    /// Enqueues the end of a job, after its batches. If there is no room, its counters expire an hour later.
    pub(crate) fn enqueue_end(&self, job: JobId) {
        let _ = self.sender.try_send(Update::Retire { job });
    }
}

async fn send(store: &Arc<dyn WorkerStore>, counters: &Arc<dyn Counters>, update: &Update) -> Result<(), UpdateError> {
    let (job, batch, counts, bytes) = match update {
        Update::Count { job, batch, counts, bytes } => (job, batch, counts, bytes),
        Update::Retire { job } => return Ok(counters.retire(*job).await?),
    };
    if counters.record(*job, *batch, counts, *bytes).await? == Recorded::NoView {
        counters.rebuild(*job, &store.ledger_snapshot(*job).await?).await?;
        // The snapshot may be older than this batch, or another worker may have rebuilt the view without it.
        counters.record(*job, *batch, counts, *bytes).await?;
    }
    Ok(())
}
