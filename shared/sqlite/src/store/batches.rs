//! The calls of a worker: rules of jobs, attempts, new uids, applying a batch.

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{Applied, BatchStatus, BatchToApply, Batches, JobRules, StoreError};
use muster_sql::{jobs, ledger};
use rusqlite::{OptionalExtension, params};

use crate::apply;
use crate::connection::row::decode;
use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Batches for SqliteStore {
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError> {
        self.read(move |db| {
            db.prepare_cached(sql::JOB_RULES)?.query_row([job.0], decode(|row| jobs::job_rules(row))).optional()
        })
        .await
    }

    async fn batch_status(&self, job: JobId, batch: BatchNo) -> Result<BatchStatus, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::BATCH_STATUS)?;
            let status = statement.query_row(params![job.0, batch.0], decode(|row| ledger::batch_status(row, batch)));
            Ok(status.optional()?.unwrap_or(BatchStatus::NotRunning))
        })
        .await
    }

    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        self.read(move |db| {
            db.prepare_cached(sql::COUNT_ATTEMPTS)?.query_row(params![job.0, batch.0], |row| row.get(0))
        })
        .await
    }

    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        self.write(move |db| {
            db.prepare_cached(sql::RECORD_ATTEMPT)?.query_row(params![job.0, batch.0], |row| row.get(0))
        })
        .await
    }

    async fn undo_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError> {
        self.write(move |db| db.execute(sql::UNDO_ATTEMPT, params![job.0, batch.0]).map(drop)).await
    }

    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let uids = serde_json::to_string(&uids).map_err(|_| StoreError::Unreadable("the uids of a batch"))?;
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::PROBE_NEW_UIDS)?;
            statement.query_map(params![tenant.0, job.0, batch.0, uids], |row| row.get(0))?.collect()
        })
        .await
    }

    async fn take_password_quota(&self, tenant: TenantId, passwords: u64) -> Result<bool, StoreError> {
        self.write(move |db| {
            let mut statement = db.prepare_cached(sql::TAKE_PASSWORD_QUOTA)?;
            statement.exists(params![tenant.0, passwords.cast_signed()])
        })
        .await
    }

    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError> {
        let job = batch.job;
        let applied = self.write(move |db| apply::apply(db, &batch)).await?;
        if matches!(applied, Applied::Committed(_)) {
            self.signals.notify(job);
        }
        Ok(applied)
    }
}
