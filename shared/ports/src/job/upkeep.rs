//! What the periodic tasks read about jobs.

use muster_domain::JobId;

/// A job that is being processed and not being stopped, and how much of it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningJob {
    /// The id of the job.
    pub job: JobId,
    /// The number of batches in its ledger.
    pub applied: u64,
    /// The number of its batches, once the file is split.
    pub total_batches: Option<u64>,
    /// When the file was split, in milliseconds since 1970.
    pub split_ms: Option<i64>,
    /// Whether no batch has been applied for so long that the missing ones may have been lost: a minute, then 2, 4, 8 and
    /// 10 as long as the ledger does not grow between two stalls.
    pub is_overdue: bool,
}

/// A stored upload that is due for removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadToRemove {
    /// Its job.
    pub job: JobId,
    /// Its key in the raw store.
    pub raw_key: String,
    /// Where it stands in the order of removal.
    pub position: UploadPosition,
}

/// A position in the order of removal: the end of the job, in microseconds since 1970, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadPosition {
    /// When the job ended, in microseconds since 1970.
    pub finished_us: i64,
    /// The id of the job.
    pub job: i64,
}
