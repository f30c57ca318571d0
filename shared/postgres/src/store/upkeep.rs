//! Queries and repairs of the reconciler.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{FinishedJob, LedgerSnapshot, QueueName, RunningJob, StoreError, StoredUpload, Upkeep};
use muster_sql::{SqlRow, jobs, ledger};

use crate::connection::query::Row;
use crate::sql;
use crate::store::PostgresStore;
use crate::store::finish::CompleteStop;
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
        self.database
            .fetch_all(sqlx::query(sql::JOBS_TO_SPLIT))
            .await?
            .iter()
            .map(|row| row.only().map(JobId))
            .collect()
    }

    async fn restart_split(&self, job: JobId) -> Result<bool, StoreError> {
        Ok(self.database.execute(sqlx::query(sql::RESTART_SPLIT).bind(job.0)).await? > 0)
    }

    async fn newest_publication(&self, queue: QueueName) -> Result<Option<i64>, StoreError> {
        self.database.fetch_one(sqlx::query(sql::NEWEST_PUBLICATION).bind(queue.as_str())).await?.only()
    }

    async fn jobs_to_stop(&self) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        let job = |row: &Row| Ok((TenantId(row.number("tenant")?), JobId(row.number("id")?)));
        self.database.fetch_all(sqlx::query(sql::JOBS_TO_STOP)).await?.iter().map(job).collect()
    }

    async fn complete_stop(&self, tenant: TenantId, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        self.database.transact("stop job", CompleteStop { tenant, job }).await
    }

    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError> {
        let (keys, times): (Vec<String>, Vec<i64>) = uploads.into_iter().map(|u| (u.key, u.stored_ms)).unzip();
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let statement = sqlx::query(sql::UPLOADS_WITHOUT_JOB).bind(keys).bind(times).bind(age_ms);
        self.database.fetch_all(statement).await?.iter().map(Row::only).collect()
    }

    async fn is_batch_outstanding(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError> {
        self.database
            .fetch_one(sqlx::query(sql::IS_BATCH_OUTSTANDING).bind(job.0).bind(batch.0.cast_signed()))
            .await?
            .only()
    }

    async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError> {
        let rows = self.database.fetch_all(sqlx::query(sql::RUNNING_JOBS)).await?;
        Ok(rows.iter().map(jobs::running_job).collect::<Result<_, _>>()?)
    }

    /// Statements that are a transaction each: if a process dies between two of them, the next call takes the same job
    /// and continues.
    async fn remove_deleted(&self, limit: u32) -> Result<bool, StoreError> {
        let Some(row) = self.database.fetch_optional(sqlx::query(sql::NEXT_DELETED_JOB)).await? else {
            return Ok(false);
        };
        let (tenant, job) = (row.number("tenant")?, row.number("job")?);
        self.database
            .execute(sqlx::query(sql::REMOVE_REJECTIONS).bind(tenant).bind(job).bind(i64::from(limit)))
            .await?;
        self.database.execute(sqlx::query(sql::REMOVE_WARNINGS).bind(tenant).bind(job).bind(i64::from(limit))).await?;
        self.database.execute(sqlx::query(sql::DELETE_LEDGER).bind(tenant).bind(job)).await?;
        self.database.execute(sqlx::query(sql::FORGET_DELETED_JOB).bind(tenant).bind(job)).await?;
        Ok(true)
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
