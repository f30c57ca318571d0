//! Leases and results of splits.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, Rejection};

use crate::error::StoreError;
use crate::job::{AppliedBatch, JobFailure, Lease, SplitJob, SplitResult};

/// Lets one splitter at a time split a job, and records the result.
#[async_trait]
pub trait Splits: Send + Sync {
    /// Acquires the lease to split a job. Returns `None` if another splitter holds it, an earlier job of the tenant is
    /// unfinished, or the job does not exist, is already split or is final.
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError>;
    /// Extends a lease. Returns `false` if it was lost.
    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError>;
    /// Releases a lease, so that another splitter can acquire it at once. `stalled` says that the split made no
    /// progress: the next one waits longer before it stalls.
    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError>;
    /// Returns the applied batches of a job with numbers greater than `after`, in order.
    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<AppliedBatch>, StoreError>;
    /// Ends a job as failed because its stored upload can no longer be read. Applied batches are kept, batches still in
    /// the queue are dropped.
    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<JobFailure, StoreError>;
    /// Records the result of a split. Returns `false` if the lease was lost, or if the ledger has a batch with a greater
    /// number than `end` has batches: an earlier split of the job published more of the file.
    async fn finish_split(&self, lease: Lease, end: SplitResult) -> Result<bool, StoreError>;
}
