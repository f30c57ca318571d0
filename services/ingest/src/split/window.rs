//! Limits how many batches of a job are outstanding: published and not applied.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use muster_domain::{BatchNo, JobId};
use muster_ports::{Queue, Signals, SplitJob, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::clock::DatabaseClock;
use super::interruption::Interruption;
use crate::stall;

/// How often the ledger is queried while the splitter waits, if no signal arrives: at first, and after some time
/// without progress.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(5);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The outstanding batches of a job.
pub(crate) struct Window {
    job: JobId,
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    clock: DatabaseClock,
    signals: Signals,
    /// How long to wait without progress.
    stall_timeout: Duration,
    /// Batches that were in the ledger when the split started.
    applied_before: HashSet<BatchNo>,
    /// How many rows of applied batches have failed, as far as is known.
    failed_rows: u64,
    outstanding: BTreeMap<BatchNo, Outstanding>,
}

/// A batch that is published, or is being published.
struct Outstanding {
    published_ms: i64,
    _permit: OwnedSemaphorePermit,
}

impl Window {
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        queue: Arc<dyn Queue>,
        split: &SplitJob,
        clock: DatabaseClock,
    ) -> Result<Self, StoreError> {
        let (job, stall_timeout) = (split.lease.job, split.stall_timeout);
        let signals = store.signals(job);
        let applied = store.applied_batches(job, BatchNo(0)).await?;
        let failed_rows = applied.iter().map(|applied| applied.failed).sum();
        let applied_before = applied.iter().map(|applied| applied.batch).collect();
        let outstanding = BTreeMap::new();
        Ok(Self { job, store, queue, clock, signals, stall_timeout, applied_before, failed_rows, outstanding })
    }

    /// Whether a batch was applied before this split started.
    pub(crate) fn was_applied(&self, batch: BatchNo) -> bool {
        self.applied_before.contains(&batch)
    }

    /// Whether more rows have failed than may, so that the file ends before this batch. It does not if an earlier split
    /// published a later batch, which is applied already.
    pub(crate) fn gives_up_before(&self, batch: BatchNo, max_failed_rows: u64) -> bool {
        self.failed_rows > max_failed_rows && self.applied_before.iter().all(|applied| *applied < batch)
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
        self.outstanding.insert(batch, Outstanding { published_ms: self.clock.now_ms(), _permit: permit });
        Ok(())
    }

    /// Waits until at most `limit` batches are outstanding.
    pub(crate) async fn wait_until_at_most(&mut self, limit: usize) -> Result<(), Interruption> {
        let mut last_progress = Instant::now();
        let mut poll_interval = MIN_POLL_INTERVAL;
        while self.outstanding.len() > limit {
            let before = self.outstanding.len();
            self.remove_applied().await?;
            if self.outstanding.len() < before {
                last_progress = Instant::now();
                poll_interval = MIN_POLL_INTERVAL;
                continue;
            }
            if last_progress.elapsed() > self.stall_timeout {
                if self.are_lost().await? {
                    return Err(Interruption::Stalled);
                }
                last_progress = Instant::now();
            }
            self.signals.progress_within(poll_interval).await;
            poll_interval = (poll_interval * 2).min(MAX_POLL_INTERVAL);
        }
        Ok(())
    }

    /// Whether the outstanding batches were lost.
    async fn are_lost(&self) -> Result<bool, Interruption> {
        let newest = self.outstanding.values().map(|outstanding| outstanding.published_ms).max();
        Ok(stall::are_lost(&*self.queue, &*self.store, newest.unwrap_or_default()).await?)
    }

    async fn remove_applied(&mut self) -> Result<(), Interruption> {
        let Some((first, _)) = self.outstanding.first_key_value() else { return Ok(()) };
        let applied = self.store.applied_batches(self.job, BatchNo(first.0 - 1)).await?;
        for applied in applied {
            if self.outstanding.remove(&applied.batch).is_some() {
                self.failed_rows += applied.failed;
            }
        }
        Ok(())
    }
}
