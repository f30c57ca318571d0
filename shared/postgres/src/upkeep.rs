//! What the reconciler asks.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{LedgerView, StoreError, Upkeep};

use crate::error::store_error;
use crate::splits::milliseconds;
use crate::sql;
use crate::store::PostgresStore;

#[async_trait]
impl Upkeep for PostgresStore {
    async fn lead(&self, holder: &str, duration: Duration) -> Result<bool, StoreError> {
        let done = sqlx::query(sql::LEAD)
            .bind(holder)
            .bind(milliseconds(duration))
            .execute(&self.pool)
            .await
            .map_err(store_error)?;
        Ok(done.rows_affected() > 0)
    }

    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError> {
        self.job_ids(sql::JOBS_TO_SPLIT).await
    }

    async fn restart_stalled_splits(&self) -> Result<Vec<JobId>, StoreError> {
        self.job_ids(sql::RESTART_STALLED_SPLITS).await
    }

    async fn jobs_to_finish(&self) -> Result<Vec<JobId>, StoreError> {
        self.job_ids(sql::JOBS_TO_FINISH).await
    }

    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        self.job_ids(sql::RUNNING_JOBS).await
    }

    async fn ledger_view(&self, job: JobId) -> Result<LedgerView, StoreError> {
        let rows: Vec<(i32, i32, i32, i32, i32, i32, i64)> =
            sqlx::query_as(sql::LEDGER_ROWS).bind(job.0).fetch_all(&self.pool).await.map_err(store_error)?;
        let mut view = LedgerView::default();
        let count = |count: i32| u64::from(count.cast_unsigned());
        for (batch, created, updated, unchanged, failed, warnings, bytes) in rows {
            let counts = Counts {
                created: count(created),
                updated: count(updated),
                unchanged: count(unchanged),
                failed: count(failed),
                warnings: count(warnings),
            };
            view.add(BatchNo(batch.cast_unsigned()), &counts, bytes.cast_unsigned());
        }
        Ok(view)
    }

    async fn void_leases(&self) -> Result<(), StoreError> {
        sqlx::query(sql::VOID_LEASES).execute(&self.pool).await.map_err(store_error)?;
        Ok(())
    }
}

impl PostgresStore {
    async fn job_ids(&self, statement: &'static str) -> Result<Vec<JobId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(statement).fetch_all(&self.pool).await.map_err(store_error)?;
        Ok(ids.into_iter().map(JobId).collect())
    }
}
