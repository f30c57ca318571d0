//! Leases and results of splits.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, Rejection, RejectionCode, TenantId};
use muster_ports::{AppliedBatch, CutRules, JobFailure, Lease, SplitJob, SplitResult, Splits, StoreError};
use muster_runtime::failpoint;
use muster_sql::{SqlRow, jobs, ledger};
use sqlx::postgres::PgConnection;

use crate::connection::transaction::Work;
use crate::sql;
use crate::store::PostgresStore;
use crate::store::finish::CompleteStop;

#[async_trait]
impl Splits for PostgresStore {
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError> {
        let statement = sqlx::query(sql::LEASE_SPLIT)
            .bind(job.0)
            .bind(milliseconds(duration))
            .bind(CutRules::VERSION.cast_signed());
        let row = self.database.fetch_optional(statement).await?;
        Ok(row.map(|row| jobs::split_job(job, &row)).transpose()?)
    }

    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError> {
        let statement = sqlx::query(sql::RENEW_LEASE).bind(lease.job.0).bind(lease.fence).bind(milliseconds(duration));
        Ok(self.database.execute(statement).await? > 0)
    }

    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError> {
        let statement = sqlx::query(sql::RELEASE_LEASE).bind(lease.job.0).bind(lease.fence).bind(i32::from(stalled));
        self.database.execute(statement).await.map(drop)
    }

    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<AppliedBatch>, StoreError> {
        let statement = sqlx::query(sql::APPLIED_BATCHES).bind(job.0).bind(after.0.cast_signed());
        Ok(self.database.fetch_all(statement).await?.iter().map(ledger::applied_batch).collect::<Result<_, _>>()?)
    }

    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<JobFailure, StoreError> {
        let statement = sqlx::query(sql::BEGIN_STOP)
            .bind(lease.job.0)
            .bind(lease.fence)
            .bind(error.line.cast_signed())
            .bind(error.code.as_str())
            .bind(&error.message);
        let Some(row) = self.database.fetch_optional(statement).await? else { return Ok(JobFailure::LeaseLost) };
        failpoint!("stop_begun");
        let stop = CompleteStop { tenant: TenantId(row.number("tenant")?), job: lease.job };
        let ended = self.database.transact("stop job", stop).await?;
        Ok(JobFailure::Failed { now: ended.is_some(), next: ended.and_then(|ended| ended.next) })
    }

    async fn finish_split(&self, lease: Lease, end: SplitResult) -> Result<bool, StoreError> {
        self.database.transact("finish split", FinishSplit { lease, end }).await
    }
}

struct FinishSplit {
    lease: Lease,
    end: SplitResult,
}

impl Work for FinishSplit {
    type Output = bool;

    async fn run(self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let Self { lease, end } = self;
        let error = end.file_error.as_ref();
        // Only then may an earlier split have published more batches than this one. Once the job is locked, all of them
        // that are being applied are in the ledger; the others find that the job has fewer batches.
        if error.is_some_and(|error| error.code == RejectionCode::TooManyErrors) {
            sqlx::query(sql::LOCK_SPLIT).bind(lease.job.0).execute(&mut *connection).await?;
        }
        let statement = sqlx::query(sql::FINISH_SPLIT)
            .bind(lease.job.0)
            .bind(lease.fence)
            .bind(end.batches.cast_signed())
            .bind(end.rows.cast_signed())
            .bind(end.bytes.cast_signed())
            .bind(error.map(|error| error.line.cast_signed()))
            .bind(error.map(|error| error.code.as_str()))
            .bind(error.map(|error| error.message.as_str()))
            .bind(end.blank_rows.cast_signed())
            .bind(end.skipped_lines.cast_signed());
        Ok(statement.execute(connection).await?.rows_affected() > 0)
    }
}

/// A duration in milliseconds, the unit of the statements.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
