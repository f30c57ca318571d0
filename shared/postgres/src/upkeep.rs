//! What the reconciler asks.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId, TenantId};
use muster_ports::{FinishedJob, LedgerView, StoreError, StoredUpload, Upkeep};

use crate::jobs::{CompleteStop, aborted};
use crate::splits::milliseconds;
use crate::sql;
use crate::store::{PostgresStore, ask};
use crate::transaction;

#[async_trait]
impl Upkeep for PostgresStore {
    async fn lead(&self, holder: &str, duration: Duration) -> Result<bool, StoreError> {
        let done = ask!(self, connection => sqlx::query(sql::LEAD)
            .bind(holder)
            .bind(milliseconds(duration)).execute(connection))?;
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

    async fn complete_stops(&self) -> Result<Vec<FinishedJob>, StoreError> {
        let stops: Vec<(i64, i64)> = ask!(self, connection => sqlx::query_as(sql::JOBS_TO_STOP).fetch_all(connection))?;
        let mut finished = Vec::new();
        for (tenant, job) in stops {
            let stop = CompleteStop { tenant: TenantId(tenant), job: JobId(job) };
            let pool = self.pool.clone();
            let stopping = self.tasks.spawn("stop job", async move { transaction::run_once(&pool, stop).await });
            finished.extend(stopping.await.map_err(aborted)??);
        }
        Ok(finished)
    }

    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError> {
        let (keys, times): (Vec<String>, Vec<i64>) = uploads.into_iter().map(|u| (u.key, u.stored_ms)).unzip();
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        ask!(self, connection => sqlx::query_scalar(sql::UPLOADS_WITHOUT_JOB)
            .bind(keys)
            .bind(times)
            .bind(age_ms)
            .fetch_all(connection))
    }

    async fn batch_is_missing(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError> {
        ask!(self, connection => sqlx::query_scalar(sql::BATCH_IS_MISSING)
            .bind(job.0)
            .bind(batch.0.cast_signed()).fetch_one(connection))
    }

    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        self.job_ids(sql::RUNNING_JOBS).await
    }

    async fn ledger_view(&self, job: JobId) -> Result<LedgerView, StoreError> {
        let rows: Vec<(i32, i32, i32, i32, i32, i32, i64, i32, i32)> =
            ask!(self, connection => sqlx::query_as(sql::LEDGER_ROWS).bind(job.0).fetch_all(connection))?;
        let mut view = LedgerView::default();
        let count = |count: i32| u64::from(count.cast_unsigned());
        for (batch, created, updated, unchanged, failed, warnings, bytes, blocked, unblocked) in rows {
            let counts = Counts {
                created: count(created),
                updated: count(updated),
                unchanged: count(unchanged),
                failed: count(failed),
                warnings: count(warnings),
                blocked: count(blocked),
                unblocked: count(unblocked),
            };
            view.add(BatchNo(batch.cast_unsigned()), &counts, bytes.cast_unsigned());
        }
        Ok(view)
    }

    async fn begin_anew(&self) -> Result<(), StoreError> {
        ask!(self, connection => sqlx::query(sql::BEGIN_ANEW).execute(connection))?;
        Ok(())
    }
}

impl PostgresStore {
    async fn job_ids(&self, statement: &'static str) -> Result<Vec<JobId>, StoreError> {
        let ids: Vec<i64> = ask!(self, connection => sqlx::query_scalar(statement).fetch_all(connection))?;
        Ok(ids.into_iter().map(JobId).collect())
    }
}
