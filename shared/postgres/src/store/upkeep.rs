//! Queries and repairs of the reconciler.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{FinishedJob, LedgerSnapshot, StoreError, StoredUpload, Upkeep};
use muster_sql::{SqlRow, ledger};

use crate::sql;
use crate::store::PostgresStore;
use crate::store::jobs::CompleteStop;
use crate::store::splits::milliseconds;

#[async_trait]
impl Upkeep for PostgresStore {
    async fn try_acquire_leadership(&self, holder: &str, duration: Duration) -> Result<bool, StoreError> {
        Ok(self
            .database
            .execute(sqlx::query(sql::TRY_ACQUIRE_LEADERSHIP).bind(holder).bind(milliseconds(duration)))
            .await?
            > 0)
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
        let mut finished = Vec::new();
        for row in self.database.fetch_all(sqlx::query(sql::JOBS_TO_STOP)).await? {
            let stop = CompleteStop { tenant: TenantId(row.number("tenant")?), job: JobId(row.number("id")?) };
            finished.extend(self.database.transact("stop job", stop).await?);
        }
        Ok(finished)
    }

    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError> {
        let (keys, times): (Vec<String>, Vec<i64>) = uploads.into_iter().map(|u| (u.key, u.stored_ms)).unzip();
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let statement = sqlx::query(sql::UPLOADS_WITHOUT_JOB).bind(keys).bind(times).bind(age_ms);
        self.database.fetch_all(statement).await?.iter().map(crate::query::Row::only).collect()
    }

    async fn is_batch_outstanding(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError> {
        self.database
            .fetch_one(sqlx::query(sql::IS_BATCH_OUTSTANDING).bind(job.0).bind(batch.0.cast_signed()))
            .await?
            .only()
    }

    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        self.job_ids(sql::RUNNING_JOBS).await
    }

    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError> {
        let mut view = LedgerSnapshot::default();
        for row in self.database.fetch_all(sqlx::query(sql::LEDGER_ROWS).bind(job.0)).await? {
            ledger::add_to_view(&mut view, &row)?;
        }
        Ok(view)
    }

    async fn reset_unfinished(&self) -> Result<(), StoreError> {
        self.database.execute(sqlx::query(sql::RESET_UNFINISHED)).await.map(drop)
    }
}

impl PostgresStore {
    async fn job_ids(&self, statement: &'static str) -> Result<Vec<JobId>, StoreError> {
        self.database.fetch_all(sqlx::query(statement)).await?.iter().map(|row| row.only().map(JobId)).collect()
    }
}
