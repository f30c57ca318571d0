//! The calls of a worker: rules of jobs, attempts, new uids, applying a batch.

use std::sync::Arc;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{Applied, BatchStatus, BatchToApply, Batches, JobRules, StoreError};
use muster_sql::{jobs, ledger};
use sqlx::postgres::PgConnection;

use crate::apply;
use crate::connection::error::aborted;
use crate::connection::transaction::Work;
use crate::sql;
use crate::store::PostgresStore;

#[async_trait]
impl Batches for PostgresStore {
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError> {
        let row = self.database.fetch_optional(sqlx::query(sql::JOB_RULES).bind(job.0)).await?;
        Ok(row.map(|row| jobs::job_rules(&row)).transpose()?)
    }

    async fn batch_status(&self, job: JobId, batch: BatchNo) -> Result<BatchStatus, StoreError> {
        let statement = sqlx::query(sql::BATCH_STATUS).bind(job.0).bind(batch.0.cast_signed());
        let row = self.database.fetch_optional(statement).await?;
        let Some(row) = row else { return Ok(BatchStatus::NotRunning) };
        Ok(ledger::batch_status(&row, batch)?)
    }

    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let statement = sqlx::query(sql::COUNT_ATTEMPTS).bind(job.0).bind(batch.0.cast_signed());
        Ok(self.database.fetch_one(statement).await?.only::<i32>()?.cast_unsigned())
    }

    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let statement = sqlx::query(sql::RECORD_ATTEMPT).bind(job.0).bind(batch.0.cast_signed());
        Ok(self.database.fetch_one(statement).await?.only::<i32>()?.cast_unsigned())
    }

    async fn undo_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError> {
        let statement = sqlx::query(sql::UNDO_ATTEMPT).bind(job.0).bind(batch.0.cast_signed());
        self.database.execute(statement).await.map(drop)
    }

    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        self.database.transact("find new uids", FindNewUids { tenant, job, batch, uids }).await
    }

    async fn take_password_quota(&self, tenant: TenantId, passwords: u64) -> Result<bool, StoreError> {
        let statement = sqlx::query(sql::TAKE_PASSWORD_QUOTA).bind(tenant.0).bind(passwords.cast_signed());
        self.database.fetch_one(statement).await?.only()
    }

    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError> {
        let (database, hints) = (self.database.clone(), self.lookup_hints.clone());
        self.database
            .tasks
            .spawn("apply batch", apply::apply(database, hints, Arc::new(batch)))
            .await
            .map_err(aborted)?
    }
}

struct FindNewUids {
    tenant: TenantId,
    job: JobId,
    batch: BatchNo,
    uids: Vec<String>,
}

impl Work for FindNewUids {
    type Output = Vec<String>;

    const BEGIN: &'static str = apply::BEGIN_LOOKUPS;

    async fn run(self, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(sql::PROBE_NEW_UIDS)
            .bind(self.tenant.0)
            .bind(self.job.0)
            .bind(self.batch.0.cast_signed())
            .bind(self.uids)
            .fetch_all(connection)
            .await
    }
}
