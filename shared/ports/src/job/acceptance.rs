//! Accepting an upload as a job.

use std::time::Duration;

use muster_domain::scanner::RecordLimits;
use muster_domain::{
    Charset, CharsetSource, Compression, Dialect, ExceededQuota, Format, Handling, IdempotencyKey, JobId, Quotas,
    RowsStart, TenantId,
};
use serde::{Deserialize, Serialize};

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
    /// The sheet that is read of a workbook; `None` if the file is none.
    pub sheet: Option<String>,
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
