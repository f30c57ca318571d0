//! How many batches of a job are on their way, and which are applied.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use muster_domain::{BatchNo, JobId};
use muster_ports::{Signals, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::stop::Stop;

/// The published batches of a job that are not in the ledger yet.
pub(crate) struct Window {
    job: JobId,
    store: Arc<dyn Store>,
    signals: Signals,
    patience: Duration,
    /// Batches that were in the ledger when the split began.
    applied_before: HashSet<BatchNo>,
    on_their_way: BTreeMap<BatchNo, OwnedSemaphorePermit>,
}

impl Window {
    pub(crate) async fn open(store: Arc<dyn Store>, job: JobId, patience: Duration) -> Result<Self, StoreError> {
        let signals = store.signals();
        let applied_before = store.applied_batches(job, BatchNo(0)).await?.into_iter().collect();
        Ok(Self { job, store, signals, patience, applied_before, on_their_way: BTreeMap::new() })
    }

    /// Whether an earlier split of the job came as far as this batch.
    pub(crate) fn is_applied(&self, batch: BatchNo) -> bool {
        self.applied_before.contains(&batch)
    }

    /// Waits until the job has fewer than `limit` batches on their way and the process has room,
    /// and counts this one in.
    pub(crate) async fn enter(&mut self, batch: BatchNo, limit: usize, total: &Arc<Semaphore>) -> Result<(), Stop> {
        self.wait_for(limit.saturating_sub(1)).await?;
        let permit = loop {
            match total.clone().try_acquire_owned() {
                Ok(permit) => break permit,
                // Own batches that are applied may hold what is missing.
                Err(_) if !self.on_their_way.is_empty() => self.wait_for(self.on_their_way.len() - 1).await?,
                Err(_) => break total.clone().acquire_owned().await.map_err(|_| Stop::Stopping)?,
            }
        };
        self.on_their_way.insert(batch, permit);
        Ok(())
    }

    /// Waits until at most `limit` batches are on their way.
    pub(crate) async fn wait_for(&mut self, limit: usize) -> Result<(), Stop> {
        let mut last_progress = Instant::now();
        while self.on_their_way.len() > limit {
            let before = self.on_their_way.len();
            self.look().await?;
            if self.on_their_way.len() < before {
                last_progress = Instant::now();
                continue;
            }
            if last_progress.elapsed() > self.patience {
                return Err(Stop::Stalled);
            }
            self.signals.progress(self.job).await;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), Stop> {
        let Some((first, _)) = self.on_their_way.first_key_value() else { return Ok(()) };
        let applied = self.store.applied_batches(self.job, BatchNo(first.0 - 1)).await?;
        for batch in applied {
            self.on_their_way.remove(&batch);
        }
        Ok(())
    }
}
