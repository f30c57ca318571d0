//! Queries and repairs of the reconciler.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{FinishedJob, LedgerSnapshot, StoreError, StoredUpload, Upkeep};
use muster_sql::ledger;
use rusqlite::{Connection, params};

use crate::row::{Row, unreadable};
use crate::sql;
use crate::store::SqliteStore;
use crate::store::jobs::complete_stop;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn try_acquire_leadership(&self, _holder: &str, _duration: Duration) -> Result<bool, StoreError> {
        // The folder is locked: there is no other process.
        Ok(true)
    }

    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError> {
        self.read(|db| job_ids(db, sql::JOBS_TO_SPLIT)).await
    }

    async fn restart_stalled_splits(&self) -> Result<Vec<JobId>, StoreError> {
        self.write(|db| job_ids(db, sql::RESTART_STALLED_SPLITS)).await
    }

    async fn jobs_to_finish(&self) -> Result<Vec<JobId>, StoreError> {
        self.read(|db| job_ids(db, sql::JOBS_TO_FINISH)).await
    }

    async fn complete_stops(&self) -> Result<Vec<FinishedJob>, StoreError> {
        self.write(|db| {
            let mut statement = db.prepare_cached(sql::JOBS_TO_STOP)?;
            let stops = statement.query_map([], |row| Ok((TenantId(row.get(0)?), JobId(row.get(1)?))))?;
            let stops = stops.collect::<rusqlite::Result<Vec<_>>>()?;
            let ended = stops.into_iter().map(|(tenant, job)| complete_stop(db, tenant, job));
            Ok(ended.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
        })
        .await
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

    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        self.read(|db| job_ids(db, sql::RUNNING_JOBS)).await
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

fn job_ids(db: &Connection, statement: &str) -> rusqlite::Result<Vec<JobId>> {
    db.prepare_cached(statement)?.query_map([], |row| row.get(0).map(JobId))?.collect()
}
