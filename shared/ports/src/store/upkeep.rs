//! What the reconciler queries and repairs.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId};

use crate::counters::LedgerSnapshot;
use crate::error::StoreError;
use crate::job::FinishedJob;
use crate::rawstore::StoredUpload;

/// Finds and repairs what was interrupted.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Acquires or renews leadership for `duration`. Returns whether `holder` is now the only active reconciler.
    async fn try_acquire_leadership(&self, holder: &str, duration: Duration) -> Result<bool, StoreError>;
    /// Returns the jobs that can be split now and that no splitter has leased.
    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError>;
    /// Restarts the splits of jobs whose batches have been overdue too long. Returns the ids of these jobs.
    async fn restart_stalled_splits(&self) -> Result<Vec<JobId>, StoreError>;
    /// Returns the split jobs whose batches are all in the ledger.
    async fn jobs_to_finish(&self) -> Result<Vec<JobId>, StoreError>;
    /// Ends the jobs whose stop was started but not completed. Returns the jobs that it ended.
    async fn complete_stops(&self) -> Result<Vec<FinishedJob>, StoreError>;
    /// Returns the keys of those of the given uploads that are older than `age` and belong to no job.
    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError>;
    /// Returns whether the batch is still to be applied: its job is unfinished and its ledger lacks the batch.
    async fn is_batch_outstanding(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError>;
    /// Returns the jobs that are being processed.
    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError>;
    /// Returns a snapshot of a job's ledger, from which its counters can be rebuilt.
    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError>;
    /// Resets every unfinished job: voids its lease and its split, so that it is split again. Only for the start of an
    /// embedded process, when no other process can hold a lease and the queue is empty.
    async fn reset_unfinished(&self) -> Result<(), StoreError>;
}
