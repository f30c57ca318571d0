//! How a job ends.

use muster_domain::{Counts, JobId, JobState};

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
