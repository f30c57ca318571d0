//! Limits how many batches of a job are outstanding: published and not applied.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use muster_domain::{BatchNo, JobId};
use muster_ports::{Signals, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::interruption::Interruption;

/// The outstanding batches of a job.
pub(crate) struct Window {
    job: JobId,
    store: Arc<dyn Store>,
    signals: Signals,
    /// How long to wait without progress.
    stall_timeout: Duration,
    /// Batches that were in the ledger when the split started.
    applied_before: HashSet<BatchNo>,
    outstanding: BTreeMap<BatchNo, OwnedSemaphorePermit>,
}

impl Window {
    pub(crate) async fn open(store: Arc<dyn Store>, job: JobId, stall_timeout: Duration) -> Result<Self, StoreError> {
        let signals = store.signals();
        let applied_before = store.applied_batches(job, BatchNo(0)).await?.into_iter().collect();
        Ok(Self { job, store, signals, stall_timeout, applied_before, outstanding: BTreeMap::new() })
    }

    /// Whether a batch was applied before this split started.
    pub(crate) fn was_applied(&self, batch: BatchNo) -> bool {
        self.applied_before.contains(&batch)
    }

    /// Waits until the job has fewer than `limit` outstanding batches and the process has a permit, then adds a batch.
    pub(crate) async fn enter(
        &mut self,
        batch: BatchNo,
        limit: usize,
        total: &Arc<Semaphore>,
    ) -> Result<(), Interruption> {
        self.wait_until_at_most(limit.saturating_sub(1)).await?;
        let permit = loop {
            match total.clone().try_acquire_owned() {
                Ok(permit) => break permit,
                // Batches of this job that are applied meanwhile return their permits.
                Err(_) if !self.outstanding.is_empty() => {
                    self.wait_until_at_most(self.outstanding.len() - 1).await?;
                }
                Err(_) => break total.clone().acquire_owned().await.map_err(|_| Interruption::Stopping)?,
            }
        };
        self.outstanding.insert(batch, permit);
        Ok(())
    }

    /// Waits until at most `limit` batches are outstanding.
    pub(crate) async fn wait_until_at_most(&mut self, limit: usize) -> Result<(), Interruption> {
        let mut last_progress = Instant::now();
        while self.outstanding.len() > limit {
            let before = self.outstanding.len();
            self.remove_applied().await?;
            if self.outstanding.len() < before {
                last_progress = Instant::now();
                continue;
            }
            if last_progress.elapsed() > self.stall_timeout {
                return Err(Interruption::Stalled);
            }
            self.signals.progress(self.job).await;
        }
        Ok(())
    }

    async fn remove_applied(&mut self) -> Result<(), Interruption> {
        let Some((first, _)) = self.outstanding.first_key_value() else { return Ok(()) };
        let applied = self.store.applied_batches(self.job, BatchNo(first.0 - 1)).await?;
        for batch in applied {
            self.outstanding.remove(&batch);
        }
        Ok(())
    }
}
