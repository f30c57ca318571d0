//! Applying the batches of a job.

use std::sync::Arc;

use muster_domain::scanner::RecordLimits;
use muster_domain::{BatchNo, CheckedBatch, Counts, Dialect, Format, Handling, JobId, TenantId};

use crate::queue::QueueName;

/// What a worker needs to know about a job to check its rows. Fixed when the job was accepted.
#[derive(Clone, Debug)]
pub struct JobRules {
    /// The tenant that owns the job.
    pub tenant: TenantId,
    /// The dialect of the file.
    pub dialect: Dialect,
    /// What happens to short rows and to invalid optional values.
    pub handling: Handling,
    /// The format of the records.
    pub format: Format,
    /// The column titles of the file.
    pub titles: Vec<String>,
    /// The limits on one record.
    pub record: RecordLimits,
    /// Whether missing users are blocked when the job finishes.
    pub blocks_missing_users: bool,
}

/// A checked batch to be applied.
#[derive(Debug)]
pub struct BatchToApply {
    /// The tenant that owns the job.
    pub tenant: TenantId,
    /// The job.
    pub job: JobId,
    /// The number of the batch within its job.
    pub batch: BatchNo,
    /// The byte offset in the decoded file at which the batch starts.
    pub first_offset: u64,
    /// The byte offset in the decoded file at which the batch ends.
    pub end_offset: u64,
    /// The checked rows. Shared, because a retry applies the same rows again.
    pub rows: Arc<CheckedBatch>,
    /// Whether each row is written on its own, because the database rejected the batch as a whole.
    pub row_by_row: bool,
    /// Whether the ledger row also records the users whom the rows name but do not write, so that they do not count
    /// as missing.
    pub records_named_users: bool,
    /// How the batch came to the worker, if that is known.
    pub publication: Option<Publication>,
}

/// How a batch came to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The queue from which it was delivered.
    pub queue: QueueName,
    /// When it was published, in milliseconds since 1970, by the clock of its splitter.
    pub published_ms: i64,
}

/// Whether a batch still has to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchStatus {
    /// It is to be applied.
    Open,
    /// It was applied, with these counts.
    Applied(Counts),
    /// Its job is final, deleted or being stopped, or does not need it any more.
    NotRunning,
}

/// The result of applying a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The rows and the ledger row are committed.
    Committed(Counts),
    /// The batch was already in the ledger, with these counts; nothing changed.
    AlreadyApplied(Counts),
    /// The job is deleted, final or being stopped; nothing changed.
    NotRunning,
}

/// A batch in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedBatch {
    /// Its number.
    pub batch: BatchNo,
    /// How many of its rows failed.
    pub failed: u64,
}
