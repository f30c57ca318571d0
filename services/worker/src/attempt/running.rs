//! The batches that this process attempts.
//!
//! A broken connection to the broker redelivers a batch while it is still being processed. Such a delivery waits here,
//! and then finds the batch applied. It is no attempt: what is counted is that a batch may have killed its worker.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_domain::{BatchNo, JobId};
use tokio::sync::Notify;

/// The batches that are being attempted.
#[derive(Clone, Default)]
pub(crate) struct RunningBatches {
    running: Arc<Mutex<HashSet<(JobId, BatchNo)>>>,
    ended: Arc<Notify>,
}

/// A batch that is being attempted, until this is dropped.
pub(crate) struct RunningBatch {
    batches: RunningBatches,
    batch: (JobId, BatchNo),
}

impl RunningBatches {
    /// Waits until no other attempt at the batch is running in this process.
    pub(crate) async fn enter(&self, job: JobId, batch: BatchNo) -> RunningBatch {
        loop {
            let ended = self.ended.notified();
            if self.lock().insert((job, batch)) {
                return RunningBatch { batches: self.clone(), batch: (job, batch) };
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<(JobId, BatchNo)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningBatch {
    fn drop(&mut self) {
        self.batches.lock().remove(&self.batch);
        self.batches.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_attempt_at_a_batch_waits_for_the_first() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let batches = RunningBatches::default();
            let enter = |number| tokio::time::timeout(Duration::from_secs(1), batches.enter(JobId(1), BatchNo(number)));
            let first = enter(1).await.unwrap();
            assert!(enter(1).await.is_err());
            let _other = enter(2).await.unwrap();
            drop(first);
            assert!(enter(1).await.is_ok());
        });
    }
}
