//! Reading jobs, rejections and users.

use async_trait::async_trait;
use muster_domain::{JobId, Rejection, TenantId, Warning};

use crate::error::StoreError;
use crate::job::{JobQuery, JobView, LedgerTotals, RejectionPage, WarningPage};
use crate::store::Signals;
use crate::tenant::{UserKey, UserRecord};

/// Reads without writing.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Checks that the database responds and has the schema that this build needs.
    async fn check_ready(&self) -> Result<(), StoreError>;
    /// Returns a job of a tenant.
    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError>;
    /// Returns one page of the jobs of a tenant, newest first.
    async fn list_jobs(&self, tenant: TenantId, filter: JobQuery) -> Result<Vec<JobView>, StoreError>;
    /// Returns the totals of a job's ledger.
    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError>;
    /// Returns one page of the rejections of a job, in line order.
    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: RejectionPage,
    ) -> Result<Vec<Rejection>, StoreError>;
    /// Returns one page of the kept warnings of a job, in the order of lines and columns.
    async fn list_warnings(&self, tenant: TenantId, job: JobId, page: WarningPage) -> Result<Vec<Warning>, StoreError>;
    /// Finds a user of a tenant.
    async fn find_user(&self, tenant: TenantId, key: UserKey) -> Result<Option<UserRecord>, StoreError>;
    /// Subscribes to the progress of a job, made in this process or in any other.
    fn signals(&self, job: JobId) -> Signals;
}
