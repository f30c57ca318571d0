//! The part of the database that a worker may use.

use async_trait::async_trait;
use muster_domain::JobId;
use muster_ports::{
    Batches, FinishedJob, LedgerSnapshot, Publisher, Store, StoreError, Upkeep, finish_job_and_start_next,
};

/// The part of the database that a worker may use. Every [`Store`] implements it.
#[async_trait]
pub trait WorkerStore: Batches {
    /// Finishes a job if it is complete, and requests the split of the tenant's next job. Returns `None` if the job is
    /// not complete, or final already.
    async fn finish_job_and_start_next(
        &self,
        queue: &dyn Publisher,
        job: JobId,
    ) -> Result<Option<FinishedJob>, StoreError>;

    /// Returns a snapshot of the ledger of a job, from which its counters are rebuilt.
    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError>;
}

#[async_trait]
impl<T: Store> WorkerStore for T {
    async fn finish_job_and_start_next(
        &self,
        queue: &dyn Publisher,
        job: JobId,
    ) -> Result<Option<FinishedJob>, StoreError> {
        finish_job_and_start_next(self, queue, job).await
    }

    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError> {
        Upkeep::ledger_snapshot(self, job).await
    }
}
