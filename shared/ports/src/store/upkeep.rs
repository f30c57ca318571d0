//! What the reconciler queries and repairs.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};

use crate::counters::LedgerSnapshot;
use crate::error::StoreError;
use crate::job::{FinishedJob, RunningJob};
use crate::queue::QueueName;
use crate::rawstore::StoredUpload;

/// Finds and repairs what was interrupted.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Acquires or renews leadership for `duration`. Returns whether `holder` is now the only active reconciler.
    async fn try_acquire_leadership(&self, holder: &str, duration: Duration) -> Result<bool, StoreError>;
    /// Returns the jobs that can be split now and that no splitter has leased.
    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError>;
    /// Voids the split of a job some of whose batches were lost, so that it is split again. Returns `false` if its
    /// ledger has all batches by now, or the job is not being processed any more.
    async fn restart_split(&self, job: JobId) -> Result<bool, StoreError>;
    /// Returns when the last published of the applied batches of a queue was published, in milliseconds since 1970.
    async fn newest_publication(&self, queue: QueueName) -> Result<Option<i64>, StoreError>;
    /// Returns the jobs whose stop was started but not completed.
    async fn jobs_to_stop(&self) -> Result<Vec<(TenantId, JobId)>, StoreError>;
    /// Ends a job whose stop was started. Returns `None` if that is done already.
    async fn complete_stop(&self, tenant: TenantId, job: JobId) -> Result<Option<FinishedJob>, StoreError>;
    /// Returns the keys of those of the given uploads that are older than `age` and belong to no job.
    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError>;
    /// Returns whether the batch is still to be applied: its job is unfinished and its ledger lacks the batch.
    async fn is_batch_outstanding(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError>;
    /// Returns the jobs that are being processed and not being stopped.
    async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError>;
    /// Removes up to `limit` rejections, and the ledger, of one job that was deleted. Returns `false` if there is none.
    async fn remove_deleted(&self, limit: u32) -> Result<bool, StoreError>;
    /// Returns a snapshot of a job's ledger, from which its counters can be rebuilt.
    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError>;
    /// Resets every unfinished job: voids its lease and its split, so that it is split again. Only for the start of an
    /// embedded process, when no other process can hold a lease and the queue is empty.
    async fn reset_unfinished(&self) -> Result<(), StoreError>;
}
