//! Jobs, as the ports exchange them.

use std::sync::Arc;
use std::time::Duration;

use muster_domain::scanner::RecordLimits;
use muster_domain::{
    BatchNo, Charset, CharsetSource, CheckedBatch, Compression, Counts, Dialect, ExceededQuota, Format, Handling,
    IdempotencyKey, JobId, JobState, Quotas, Rejection, RowsStart, TenantId,
};
use serde::{Deserialize, Serialize};

use crate::queue::QueueName;

/// The stored upload of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFile {
    /// The key in the raw store.
    pub key: String,
    /// The size as received.
    pub bytes: u64,
    /// The SHA-256 of the bytes as received.
    pub sha256: [u8; 32],
    /// How the bytes are compressed.
    pub compression: Compression,
    /// The format of the records.
    pub format: Format,
    /// The charset of the decompressed text.
    pub charset: Charset,
    /// How the charset was found; `None` for jobs of earlier versions, which did not store it.
    pub charset_source: Option<CharsetSource>,
}

/// How a file is cut into batches. Stored in the job row when the job is accepted, so that a repeated split cuts the
/// same batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutRules {
    /// Raised when the same rules would cut other batches than before. A splitter ignores jobs of other versions: the
    /// schema is migrated only when no job is unfinished.
    pub version: u32,
    /// The limits on one record.
    pub record: RecordLimits,
    /// The maximum number of rows per batch.
    pub batch_rows: u32,
    /// The maximum size of a batch, unless a single record is larger.
    pub batch_bytes: usize,
    /// The maximum number of rows per epoch.
    pub epoch_rows: u64,
    /// The maximum size of the decoded file.
    pub unpacked_bytes: u64,
    /// How many rows may fail before the rest of the file is given up.
    pub max_failed_rows: u64,
    /// Where the rows start.
    pub rows_start: RowsStart,
}

impl CutRules {
    /// The version of the cut rules that this build implements.
    pub const VERSION: u32 = 3;
}

impl Default for CutRules {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            record: RecordLimits::default(),
            batch_rows: 2000,
            batch_bytes: 512 * 1024,
            // The hash table of an epoch doubles its memory above 458,752 entries, and a row has two.
            epoch_rows: 225_000,
            unpacked_bytes: 64 << 30,
            max_failed_rows: 1_000_000,
            rows_start: RowsStart::default(),
        }
    }
}

/// A job to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The tenant that owns the job.
    pub tenant: TenantId,
    /// The dialect of the file.
    pub dialect: Dialect,
    /// What happens to short rows and to invalid optional values.
    pub handling: Handling,
    /// The stored upload.
    pub raw: RawFile,
    /// The column titles of the file; none if they are not known.
    pub titles: Vec<String>,
    /// Keys of JSON objects that Muster does not know.
    pub ignored_keys: Vec<String>,
    /// How the file is cut into batches.
    pub cut: CutRules,
    /// Whether missing users are blocked when the job finishes.
    pub blocks_missing_users: bool,
    /// The idempotency key, if the client sent one.
    pub idempotency: Option<Idempotency>,
    /// The quotas of the tenant.
    pub quotas: Quotas,
}

/// Identifies an upload, so that a repeated one does not create a second job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key that the client sent.
    pub key: IdempotencyKey,
    /// How long the job holds its key, counted from when it was accepted.
    pub key_lifetime: Duration,
}

/// The result of accepting an upload as a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// A new job was created.
    New(CreatedJob),
    /// The same file was already accepted with the same idempotency key, as this job. Nothing changed; the repeated
    /// upload is not needed.
    Existing(JobId),
    /// The idempotency key belongs to another file. Nothing changed.
    KeyReused,
    /// The job would exceed a quota of the tenant. Nothing changed.
    QuotaExceeded(ExceededQuota),
}

/// A job that has been accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreatedJob {
    /// The id of the job.
    pub id: JobId,
    /// Whether the job can start now: no earlier job of its tenant is unfinished.
    pub can_start: bool,
}

/// The result of a request to delete a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The job was deleted. The caller now removes its stored upload.
    Deleted {
        /// The key of the stored upload.
        raw_key: String,
        /// The tenant's first unfinished job, which can start now if the deleted job was ahead of it.
        next: Option<JobId>,
    },
    /// The job is being processed; nothing changed.
    Processing,
    /// The tenant has no such job.
    Unknown,
}

/// The result of a request to cancel a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// The job is canceled, by this request or an earlier one.
    Canceled {
        /// Whether this call made it final; false if it was canceled before, or if another process completed the stop.
        now: bool,
        /// The tenant's first unfinished job, which can start now.
        next: Option<JobId>,
    },
    /// The job had already reached this other final state; nothing changed.
    Final(JobState),
    /// The tenant has no such job.
    Unknown,
}

/// The result of ending a job whose stored upload cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobFailure {
    /// The job has failed, with what has been applied so far.
    Failed {
        /// Whether this call made it final; false if another process completed the stop.
        now: bool,
        /// The tenant's first unfinished job, which can start now; `None` also if another process completed the stop.
        next: Option<JobId>,
    },
    /// The lease was lost. Nothing changed.
    LeaseLost,
}

/// A job, as the status service reads it. Times are in milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// The id of the job.
    pub id: JobId,
    /// The state of the job.
    pub state: JobState,
    /// The size of the upload as received; `None` if it is compressed.
    pub plain_bytes: Option<u64>,
    /// The size of the decoded file; `None` until the file has been read to its end.
    pub total_bytes: Option<u64>,
    /// How much of the decoded file was applied when the job was canceled or ended by an unreadable file; `None` otherwise.
    pub applied_bytes: Option<u64>,
    /// The number of rows; `None` until the file has been read to its end.
    pub total_rows: Option<u64>,
    /// The number of blank rows; `None` until the file has been read to its end.
    pub blank_rows: Option<u64>,
    /// The number of skipped lines; `None` until the file has been read to its end.
    pub skipped_lines: Option<u64>,
    /// The charset of the file.
    pub charset: Charset,
    /// How the charset was found; `None` for jobs of earlier versions.
    pub charset_source: Option<CharsetSource>,
    /// The titles of the file's columns that are kept as attributes or the keys of its objects that are ignored, each with
    /// what may have been meant.
    pub unknown_names: UnknownNames,
    /// Why the file could not be read to its end, if so.
    pub file_error: Option<Rejection>,
    /// The final counts; `None` until the job is final.
    pub final_counts: Option<Counts>,
    /// When the job was accepted.
    pub created_ms: i64,
    /// When the job was first leased to a splitter, or canceled before that.
    pub started_ms: Option<i64>,
    /// When the job became final.
    pub finished_ms: Option<i64>,
    /// How many rows wait, until the rest of the file is applied, because they want what another user has.
    pub waiting_rows: u64,
    /// How many missing users were not blocked because of the tenant's guard; `None` if the guard was not exceeded.
    pub missing_not_blocked: Option<u64>,
    /// Whether the rejections of the job have been removed or are being removed.
    pub rejections_removed: bool,
    /// The time of the database when this was read.
    pub now_ms: i64,
}

/// Names in a file that Muster does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownNames {
    /// Titles of columns whose values are kept as attributes.
    pub kept_as_attributes: Vec<UnknownName>,
    /// Keys whose values are ignored.
    pub ignored: Vec<UnknownName>,
}

/// A name in a file that Muster does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownName {
    /// The name.
    pub name: String,
    /// The name that was probably meant.
    pub did_you_mean: Option<&'static str>,
}

/// The totals of the ledger of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerTotals {
    /// The number of applied batches.
    pub batches: u64,
    /// The outcomes of their rows.
    pub counts: Counts,
    /// The number of bytes of the decoded file that they cover.
    pub bytes: u64,
}

/// A keyset page of the jobs of a tenant, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobQuery {
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// Only jobs with a smaller id.
    pub before_id: Option<JobId>,
    /// The maximum number of jobs.
    pub limit: u32,
}

/// A keyset page of the rejections of a job, in line order.
#[derive(Clone, Copy, Debug, Default)]
pub struct RejectionPage {
    /// Only rejections of lines after this one.
    pub after_line: u64,
    /// The maximum number of rejections.
    pub limit: u32,
}

/// A keyset page of the warnings of a job, in the order of lines and columns.
#[derive(Clone, Debug, Default)]
pub struct WarningPage {
    /// Only warnings after this line and column.
    pub after_line: u64,
    /// See `after_line`.
    pub after_column: String,
    /// The maximum number of warnings.
    pub limit: u32,
}

/// The exclusive right to split a job for a limited time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// The fencing token: it grows with every lease of the job, so that the database ignores a splitter whose lease
    /// is outdated.
    pub fence: i64,
}

/// A job to be split.
#[derive(Clone, Debug)]
pub struct SplitJob {
    /// The lease that the splitter holds.
    pub lease: Lease,
    /// When the lease was granted, in milliseconds since 1970, by the clock of the database.
    pub leased_ms: i64,
    /// The dialect of the file.
    pub dialect: Dialect,
    /// What happens to short rows and to invalid optional values.
    pub handling: Handling,
    /// The stored upload.
    pub raw: RawFile,
    /// The column titles of the file; none if they are not known.
    pub titles: Vec<String>,
    /// How the file is cut into batches.
    pub cut: CutRules,
    /// How long the split may make no progress before it stalls and is restarted.
    pub stall_timeout: Duration,
}

impl SplitJob {
    /// Returns the stall timeout of a split that has already stalled this often without progress in between: 1 minute,
    /// then 2, 4, 8 and 10.
    pub fn stall_timeout_after(stalls: u32) -> Duration {
        Duration::from_secs((60 << stalls.min(4)).min(600))
    }
}

/// How a batch came to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The queue from which it was delivered.
    pub queue: QueueName,
    /// When it was published, in milliseconds since 1970, by the clock of its splitter.
    pub published_ms: i64,
}

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

/// A batch in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedBatch {
    /// Its number.
    pub batch: BatchNo,
    /// How many of its rows failed.
    pub failed: u64,
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

/// The result of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitResult {
    /// The number of batches.
    pub batches: u32,
    /// The number of rows.
    pub rows: u64,
    /// The size of the decoded file, up to where it could be read.
    pub bytes: u64,
    /// The number of blank rows, which are no rows.
    pub blank_rows: u64,
    /// The number of lines above the rows, and of lines with titles among them, that were skipped.
    pub skipped_lines: u64,
    /// Why the file could not be read to its end, if so.
    pub file_error: Option<Rejection>,
}

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

/// A job that has just become final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedJob {
    /// The id of the job.
    pub job: JobId,
    /// The final state.
    pub state: JobState,
    /// The final counts.
    pub counts: Counts,
    /// The tenant's next job, which can start now.
    pub next: Option<JobId>,
}
