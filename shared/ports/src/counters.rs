//! The counters: a fast view of the ledger that may disappear at any moment.

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId};

use crate::error::CountersError;

/// The result of counting a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The batch has been counted.
    Counted,
    /// The batch was already counted; nothing changed.
    AlreadyCounted,
    /// There is no view of this job: rebuild it from the ledger first.
    NoView,
}

/// The view of one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The outcomes of the rows of the counted batches.
    pub counts: Counts,
    /// The number of bytes of the decoded file that these batches cover.
    pub bytes: u64,
    /// The number of counted batches.
    pub batches: u64,
}

/// A snapshot of the ledger of one job, from which its view is rebuilt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSnapshot {
    /// The applied batches.
    pub batches: Vec<BatchNo>,
    /// The outcomes of their rows.
    pub counts: Counts,
    /// The number of bytes of the decoded file that they cover.
    pub bytes: u64,
}

impl LedgerSnapshot {
    /// Adds a batch of the ledger.
    pub fn add(&mut self, batch: BatchNo, counts: &Counts, bytes: u64) {
        self.batches.push(batch);
        self.counts.add(counts);
        self.bytes += bytes;
    }
}

/// Counts each batch once, no matter how often it is recorded.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Counts a batch.
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError>;
    /// Creates the view of a job, unless there already is one.
    async fn rebuild(&self, job: JobId, ledger: &LedgerSnapshot) -> Result<(), CountersError>;
    /// Returns the view of a job, if there is one.
    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError>;
    /// Lets the view of a final job go: at once, or after the minutes in which a reader may still want it.
    async fn retire(&self, job: JobId) -> Result<(), CountersError>;
    /// Removes the view of a job.
    async fn forget(&self, job: JobId) -> Result<(), CountersError>;
}
