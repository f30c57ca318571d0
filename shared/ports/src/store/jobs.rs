//! The life cycle of jobs.

use async_trait::async_trait;
use muster_domain::{JobId, QuotaUsage, TenantId};

use crate::error::StoreError;
use crate::job::{Cancellation, Creation, Deletion, FinishedJob, NewJob};

/// Accepts, finishes, cancels and deletes jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Accepts a job. The job ids of a tenant become visible in increasing order. Of concurrent uploads with the
    /// same idempotency key, only the first creates a job.
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError>;
    /// Returns what counts against the quotas of a tenant.
    async fn quota_usage(&self, tenant: TenantId) -> Result<QuotaUsage, StoreError>;
    /// Deletes a job, its ledger and its rejections, unless it is being processed. Imported users are kept.
    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError>;
    /// Cancels a job: batches that are not yet applied never will be. Applied batches are kept.
    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError>;
    /// Moves a job to its final state if its ledger is complete: all batches are there, and together they cover the
    /// file from its start to its end without a gap. Returns `None` if the ledger is incomplete or the job is
    /// already final.
    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError>;
}
