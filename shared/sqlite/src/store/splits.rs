//! Leases and results of splits.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, Rejection, TenantId};
use muster_ports::{AppliedBatch, CutRules, JobFailure, Lease, SplitJob, SplitResult, Splits, StoreError};
use muster_sql::{jobs, ledger};
use rusqlite::{OptionalExtension, params};

use crate::connection::row::decode;
use crate::sql;
use crate::store::SqliteStore;
use crate::store::finish::complete_stop;

#[async_trait]
impl Splits for SqliteStore {
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError> {
        self.write(move |db| {
            let values = params![job.0, milliseconds(duration), CutRules::VERSION];
            let mut statement = db.prepare_cached(sql::LEASE_SPLIT)?;
            statement.query_row(values, decode(|row| jobs::split_job(job, row))).optional()
        })
        .await
    }

    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError> {
        self.write(move |db| {
            let values = params![lease.job.0, lease.fence, milliseconds(duration)];
            Ok(db.prepare_cached(sql::RENEW_LEASE)?.execute(values)? > 0)
        })
        .await
    }

    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError> {
        self.write(move |db| {
            let values = params![lease.job.0, lease.fence, i64::from(stalled)];
            db.prepare_cached(sql::RELEASE_LEASE)?.execute(values).map(drop)
        })
        .await
    }

    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<AppliedBatch>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::APPLIED_BATCHES)?;
            statement.query_map(params![job.0, after.0], decode(|row| ledger::applied_batch(row)))?.collect()
        })
        .await
    }

    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<JobFailure, StoreError> {
        let tenant: Option<i64> = self
            .write(move |db| {
                let values =
                    params![lease.job.0, lease.fence, error.line.cast_signed(), error.code.as_str(), error.message];
                db.query_row(sql::BEGIN_STOP, values, |row| row.get("tenant")).optional()
            })
            .await?;
        let Some(tenant) = tenant else { return Ok(JobFailure::LeaseLost) };
        let ended = self.write(move |db| complete_stop(db, TenantId(tenant), lease.job)).await?;
        Ok(JobFailure::Failed { now: ended.is_some(), next: ended.and_then(|ended| ended.next) })
    }

    async fn finish_split(&self, lease: Lease, end: SplitResult) -> Result<bool, StoreError> {
        self.write(move |db| {
            let error = end.file_error.as_ref();
            let values = params![
                lease.job.0,
                lease.fence,
                end.batches,
                end.rows.cast_signed(),
                end.bytes.cast_signed(),
                error.map(|error| error.line.cast_signed()),
                error.map(|error| error.code.as_str()),
                error.map(|error| error.message.as_str()),
                end.blank_rows.cast_signed(),
                end.skipped_lines.cast_signed()
            ];
            Ok(db.prepare_cached(sql::FINISH_SPLIT)?.execute(values)? > 0)
        })
        .await
    }
}

/// A duration in milliseconds, the unit of the statements.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
