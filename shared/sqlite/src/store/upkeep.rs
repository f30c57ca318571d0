//! Queries and repairs of the reconciler.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{FinishedJob, LedgerSnapshot, QueueName, RunningJob, StoreError, StoredUpload, Upkeep};
use muster_sql::{jobs, ledger};
use rusqlite::{OptionalExtension, params};

use crate::connection::row::{Row, decode, unreadable};
use crate::sql;
use crate::store::SqliteStore;
use crate::store::finish::complete_stop;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn try_acquire_leadership(&self, _holder: &str, _duration: Duration) -> Result<bool, StoreError> {
        // The folder is locked: there is no other process.
        Ok(true)
    }

    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError> {
        self.read(|db| db.prepare_cached(sql::JOBS_TO_SPLIT)?.query_map([], |row| row.get(0).map(JobId))?.collect())
            .await
    }

    async fn restart_split(&self, job: JobId) -> Result<bool, StoreError> {
        self.write(move |db| Ok(db.prepare_cached(sql::RESTART_SPLIT)?.execute([job.0])? > 0)).await
    }

    async fn newest_publication(&self, queue: QueueName) -> Result<Option<i64>, StoreError> {
        self.read(move |db| db.prepare_cached(sql::NEWEST_PUBLICATION)?.query_row([queue.as_str()], |row| row.get(0)))
            .await
    }

    async fn jobs_to_stop(&self) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached(sql::JOBS_TO_STOP)?;
            statement.query_map([], |row| Ok((TenantId(row.get(0)?), JobId(row.get(1)?))))?.collect()
        })
        .await
    }

    async fn complete_stop(&self, tenant: TenantId, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        self.write(move |db| complete_stop(db, tenant, job)).await
    }

    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::UPLOADS_WITHOUT_JOB)?;
            let mut found = Vec::new();
            for StoredUpload { key, stored_ms } in uploads {
                if statement.query_row(params![key, stored_ms, age_ms], |row| row.get(0))? {
                    found.push(key);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn is_batch_outstanding(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError> {
        self.read(move |db| db.query_row(sql::IS_BATCH_OUTSTANDING, params![job.0, batch.0], |row| row.get(0))).await
    }

    async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached(sql::RUNNING_JOBS)?;
            statement.query_map([], decode(|row| jobs::running_job(row)))?.collect()
        })
        .await
    }

    async fn remove_deleted(&self, limit: u32) -> Result<bool, StoreError> {
        self.write(move |db| {
            let next = db
                .prepare_cached(sql::NEXT_DELETED_JOB)?
                .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
                .optional()?;
            let Some((tenant, job)) = next else { return Ok(false) };
            db.prepare_cached(sql::REMOVE_REJECTIONS)?.execute(params![tenant, job, limit])?;
            db.prepare_cached(sql::REMOVE_WARNINGS)?.execute(params![tenant, job, limit])?;
            db.prepare_cached(sql::DELETE_LEDGER)?.execute(params![tenant, job])?;
            db.prepare_cached(sql::FORGET_DELETED_JOB)?.execute(params![tenant, job])?;
            Ok(true)
        })
        .await
    }

    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LEDGER_ROWS)?;
            let mut rows = statement.query([job.0])?;
            let mut view = LedgerSnapshot::default();
            while let Some(row) = rows.next()? {
                ledger::add_to_view(&mut view, &Row(row)).map_err(unreadable)?;
            }
            Ok(view)
        })
        .await
    }

    async fn reset_unfinished(&self) -> Result<(), StoreError> {
        self.write(|db| db.execute(sql::RESET_UNFINISHED, []).map(drop)).await
    }
}
