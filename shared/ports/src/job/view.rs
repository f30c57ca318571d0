//! Jobs, their ledgers and their reports, as they are read.

use muster_domain::{Charset, CharsetSource, Counts, JobId, JobState, Rejection};
use serde::Serialize;

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
    /// The sheet that is read of a workbook; `None` if the file is none.
    pub sheet: Option<String>,
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
