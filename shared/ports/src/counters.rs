//! The counters: a fast view of the ledger that may vanish at any moment.

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId};

use crate::error::CountersError;

/// What became of a batch that was to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is counted now.
    Now,
    /// It was counted before; nothing changed.
    Before,
    /// There is no view of this job: it must be rebuilt from the ledger first.
    NoView,
}

/// The view of one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The outcomes of the counted batches.
    pub counts: Counts,
    /// The bytes of the file that they cover.
    pub bytes: u64,
    /// How many batches are counted.
    pub batches: u64,
}

/// A snapshot of the ledger of one job, to rebuild its view from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerView {
    /// The batches of the snapshot.
    pub batches: Vec<BatchNo>,
    /// The outcomes of their rows.
    pub counts: Counts,
    /// The bytes of the file that they cover.
    pub bytes: u64,
}

impl LedgerView {
    /// Adds a batch of the ledger.
    pub fn add(&mut self, batch: BatchNo, counts: &Counts, bytes: u64) {
        self.batches.push(batch);
        self.counts.add(counts);
        self.bytes += bytes;
    }
}

/// Counts batches, each once, however often it is told of them.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Counts a batch.
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError>;
    /// Makes the view of a job, unless there is one.
    async fn rebuild(&self, job: JobId, ledger: &LedgerView) -> Result<(), CountersError>;
    /// The view of a job, if there is one.
    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError>;
    /// Drops the view of a job.
    async fn forget(&self, job: JobId) -> Result<(), CountersError>;
}
