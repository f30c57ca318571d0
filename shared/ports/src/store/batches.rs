//! Applying batches.

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};

use crate::error::StoreError;
use crate::job::{Applied, BatchStatus, BatchToApply, JobRules};

/// What a worker needs to check and apply batches.
#[async_trait]
pub trait Batches: Send + Sync {
    /// Returns what a worker needs to know about a job. `None` if the job does not exist.
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError>;
    /// Returns whether a batch still has to be applied, so that a worker does no work that nobody needs.
    async fn batch_status(&self, job: JobId, batch: BatchNo) -> Result<BatchStatus, StoreError>;
    /// Returns the number of recorded attempts at a batch. Only attempts at redelivered batches are recorded.
    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError>;
    /// Records an attempt at a redelivered batch. Returns the number of recorded attempts.
    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError>;
    /// Removes the last recorded attempt, because the worker itself aborted it.
    async fn undo_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError>;
    /// Returns those of the given uids that no user of the tenant has. Empty if the batch is already in the ledger.
    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError>;
    /// Counts new passwords of a tenant in this hour. False if they would exceed its quota: then they are not counted.
    async fn take_password_quota(&self, tenant: TenantId, passwords: u64) -> Result<bool, StoreError>;
    /// Applies a batch: writes its users, its rejections and its ledger row in one transaction.
    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError>;
}
