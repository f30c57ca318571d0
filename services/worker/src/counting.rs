//! Tells the counters about applied batches, beside the way of the batch.
//!
//! Nothing waits for the counters. What does not fit into the bounded queue, or fails, is missing
//! from the view until the reconciler compares it with the ledger.

use std::sync::Arc;

use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, CountersError, Recorded, Store, StoreError};
use tokio::sync::mpsc;

use crate::{WorkerDeps, WorkerMetrics};

const WAITING: usize = 1024;

/// A batch to be counted.
struct Counted {
    job: JobId,
    batch: BatchNo,
    counts: Counts,
    bytes: u64,
}

/// The way to the counters.
pub(crate) struct Counting {
    sender: mpsc::Sender<Counted>,
    metrics: WorkerMetrics,
}

#[derive(Debug, thiserror::Error)]
enum CountingError {
    #[error(transparent)]
    Counters(#[from] CountersError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Counting {
    pub(crate) fn start(deps: &WorkerDeps) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Counted>(WAITING);
        let (store, counters, shutdown) = (deps.store.clone(), deps.counters.clone(), deps.shutdown.clone());
        let metrics = deps.metrics.clone();
        let failures = metrics.counting_failures.clone();
        deps.tasks.spawn("counting", async move {
            let counting = async {
                let mut away = false;
                while let Some(counted) = receiver.recv().await {
                    let counted = count(&store, &counters, &counted).await;
                    if counted.is_err() {
                        failures.add(1, &[]);
                    }
                    match counted {
                        Err(error) if !away => {
                            let error = &error as &(dyn std::error::Error + 'static);
                            tracing::warn!(error, "batches are not counted for now; the status reads the ledger");
                            away = true;
                        }
                        Ok(()) if away => {
                            tracing::info!("batches are counted again");
                            away = false;
                        }
                        Ok(()) | Err(_) => {}
                    }
                }
            };
            tokio::select! {
                biased;
                () = counting => {}
                () = shutdown.forced() => {}
            }
        });
        Self { sender, metrics }
    }

    /// Counts a batch soon.
    pub(crate) fn count(&self, job: JobId, batch: BatchNo, counts: Counts, bytes: u64) {
        if self.sender.try_send(Counted { job, batch, counts, bytes }).is_err() {
            self.metrics.counting_failures.add(1, &[]);
            tracing::debug!(%job, "too many batches wait to be counted; the reconciler counts this one");
        }
    }
}

async fn count(store: &Arc<dyn Store>, counters: &Arc<dyn Counters>, counted: &Counted) -> Result<(), CountingError> {
    let Counted { job, batch, counts, bytes } = counted;
    if counters.record(*job, *batch, counts, *bytes).await? == Recorded::NoView {
        counters.rebuild(*job, &store.ledger_view(*job).await?).await?;
        // The snapshot may be older than this batch, and whoever rebuilt first may not have it.
        counters.record(*job, *batch, counts, *bytes).await?;
    }
    Ok(())
}
