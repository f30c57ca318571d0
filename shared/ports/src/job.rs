//! Jobs as the ports see them.

use std::time::Duration;

use muster_domain::record::RecordLimits;
use muster_domain::{
    BatchNo, Charset, CheckedBatch, Counts, Dialect, Format, Handling, IdempotencyKey, JobId, JobState, Rejection,
    TenantId,
};
use serde::{Deserialize, Serialize};

/// The stored upload of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFile {
    /// Its key in the raw store.
    pub key: String,
    /// Its size as received, in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes as received.
    pub sha256: [u8; 32],
    /// How it is compressed: `identity`, `gzip` or `zstd`.
    pub encoding: String,
    /// How its records are written.
    pub format: Format,
    /// In which encoding its text is, once decompressed.
    pub charset: Charset,
}

/// How a file is cut. Frozen in the job row, so that a repeated split cuts the same batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutRules {
    /// Raised when the same rules would cut differently. A splitter leaves versions alone that it
    /// does not know.
    pub version: u32,
    /// Limits on one record.
    pub record: RecordLimits,
    /// Rows of a batch at most.
    pub batch_rows: u32,
    /// Bytes of a batch at most, unless a single record is larger.
    pub batch_bytes: usize,
    /// Rows of an epoch at most.
    pub epoch_rows: u64,
    /// Bytes of the unpacked file at most.
    pub unpacked_bytes: u64,
}

impl CutRules {
    /// The version that this build cuts by.
    pub const VERSION: u32 = 1;
}

impl Default for CutRules {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            record: RecordLimits::default(),
            batch_rows: 2000,
            batch_bytes: 512 * 1024,
            // The table of half a million hashes is twice as large: it doubles behind 458,752.
            epoch_rows: 450_000,
            unpacked_bytes: 64 << 30,
        }
    }
}

/// A job to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Whose job.
    pub tenant: TenantId,
    /// How the file is to be read.
    pub dialect: Dialect,
    /// What becomes of short rows.
    pub handling: Handling,
    /// The stored upload.
    pub raw: RawFile,
    /// The titles of the file.
    pub titles: Vec<String>,
    /// How the file is to be cut.
    pub cut: CutRules,
    /// Whether users whom no row names are blocked in the end.
    pub blocks_missing: bool,
    /// The name that the client gave to the upload, if it gave one.
    pub idempotency: Option<Idempotency>,
}

/// The name of an upload, by which it is recognised when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// What the client sent.
    pub key: IdempotencyKey,
    /// How long a job keeps its key, counted from when it was accepted.
    pub kept: Duration,
}

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is a new job.
    New(CreatedJob),
    /// The same file was accepted under the same key before, as this job. Nothing changed; the
    /// stored upload is not needed.
    Known(JobId),
    /// The key belongs to another file. Nothing changed.
    KeyReused,
}

/// An accepted job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatedJob {
    /// Its id.
    pub id: JobId,
    /// Whether it may begin: no earlier job of its tenant is unfinished.
    pub may_begin: bool,
}

/// What became of a wish to delete a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone; its stored upload may go too. If it had not begun, `next` may begin now.
    Deleted {
        /// The key of the stored upload.
        raw_key: String,
        /// The tenant's first unfinished job.
        next: Option<JobId>,
    },
    /// It is being processed; nothing changed.
    Processing,
    /// The tenant has no such job.
    Unknown,
}

/// What became of a wish to cancel a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It is canceled, now or before; `next` is the tenant's first unfinished job.
    Canceled {
        /// The tenant's first unfinished job, which may begin now.
        next: Option<JobId>,
    },
    /// It was final already, in this state.
    Final(JobState),
    /// The tenant has no such job.
    Unknown,
}

/// A job as the status service shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Its id.
    pub id: JobId,
    /// Its state.
    pub state: JobState,
    /// The size of the upload as received, in bytes, if the upload is not compressed.
    pub plain_bytes: Option<u64>,
    /// The size of the file, decoded, in bytes, once it has been read to its end.
    pub total_bytes: Option<u64>,
    /// The rows of the file, once it has been read to its end.
    pub total_rows: Option<u64>,
    /// What ended the file early.
    pub file_error: Option<Rejection>,
    /// The counts, once the job is final.
    pub final_counts: Option<Counts>,
    /// When it was accepted, in milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// When its split began.
    pub started_ms: Option<i64>,
    /// When it became final.
    pub finished_ms: Option<i64>,
    /// How many users the guard of its tenant kept from being blocked as missing; nothing if there was
    /// no need to.
    pub missing_kept: Option<u64>,
    /// Whether its rejections were removed, or are being removed.
    pub reports_removed: bool,
    /// The time of the database when this was read.
    pub now_ms: i64,
}

/// Sums over the ledger of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// The applied batches.
    pub batches: u64,
    /// The outcomes of their rows.
    pub counts: Counts,
    /// The bytes of the file that they cover.
    pub bytes: u64,
}

/// Which jobs to list, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobFilter {
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// Only jobs with a smaller id.
    pub before: Option<JobId>,
    /// How many.
    pub limit: u32,
}

/// A place in a list of rejections, which is in line order.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageAfter {
    /// Only lines after this one.
    pub line: u64,
    /// How many.
    pub limit: u32,
}

/// The right to split a job for a while. A stale lease is refused by its fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Grows with every lease of the job.
    pub fence: i64,
}

/// A job to be split.
#[derive(Clone, Debug)]
pub struct SplitJob {
    /// The lease under which it is split.
    pub lease: Lease,
    /// How the file is to be read.
    pub dialect: Dialect,
    /// The stored upload.
    pub raw: RawFile,
    /// The titles of the file.
    pub titles: Vec<String>,
    /// How the file is to be cut.
    pub cut: CutRules,
    /// How long to wait without progress before the split is begun anew.
    pub patience: Duration,
}

impl SplitJob {
    /// How long a split waits without progress after so many stalls: a minute, then 2, 4, 8 and 10.
    pub fn patience_after(stalls: u32) -> Duration {
        Duration::from_secs((60 << stalls.min(4)).min(600))
    }
}

/// What a split came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitEnd {
    /// The number of batches.
    pub batches: u32,
    /// The number of rows.
    pub rows: u64,
    /// The size of the file, decoded, in bytes, as far as it could be read.
    pub bytes: u64,
    /// What ended the file early.
    pub file_error: Option<Rejection>,
}

/// What a worker must know of a job to check its rows. Frozen when the job was accepted.
#[derive(Clone, Debug)]
pub struct JobRules {
    /// Whose job.
    pub tenant: TenantId,
    /// How the rows are to be read.
    pub dialect: Dialect,
    /// What becomes of short rows.
    pub handling: Handling,
    /// How the records are written.
    pub format: Format,
    /// The titles of the file.
    pub titles: Vec<String>,
    /// Limits on one record.
    pub record: RecordLimits,
    /// Whether users whom no row names are blocked in the end.
    pub blocks_missing: bool,
}

/// A checked batch to be applied.
#[derive(Debug)]
pub struct BatchToApply {
    /// Whose job.
    pub tenant: TenantId,
    /// The job.
    pub job: JobId,
    /// The number of the batch.
    pub batch: BatchNo,
    /// Where in the decoded file the batch begins, in bytes.
    pub first_offset: u64,
    /// Where in the decoded file the batch ends, in bytes.
    pub end_offset: u64,
    /// Its rows.
    pub rows: CheckedBatch,
    /// Whether each row is tried on its own, because the batch as a whole was refused.
    pub isolate_rows: bool,
    /// Whether the ledger is to keep the users whom the rows name without writing them.
    pub notes_named: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Its rows and its ledger row are committed.
    Now(Counts),
    /// It was in the ledger; nothing changed.
    Before(Counts),
    /// The job is not running: deleted, final or being stopped. Nothing changed.
    NotRunning,
}

/// A job that has just become final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedJob {
    /// Its final state.
    pub state: JobState,
    /// Its final counts.
    pub counts: Counts,
    /// The tenant's next job, which may begin now.
    pub next: Option<JobId>,
}
