//! Splitting the file of a job into batches.

use std::time::Duration;

use muster_domain::{Dialect, Handling, JobId, Rejection};

use super::acceptance::{CutRules, RawFile};

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
