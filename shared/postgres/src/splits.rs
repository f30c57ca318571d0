//! Leases and results of splits.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, Charset, Dialect, Format, JobId, Rejection};
use muster_ports::{CutRules, Lease, RawFile, SplitEnd, SplitJob, Splits, StoreError, Upkeep};
use muster_runtime::failpoint;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::error::store_error;
use crate::sql;
use crate::store::{PostgresStore, ask};

#[async_trait]
impl Splits for PostgresStore {
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError> {
        let row = ask!(self, connection => sqlx::query(sql::LEASE_SPLIT)
            .bind(job.0)
            .bind(milliseconds(duration))
            .bind(CutRules::VERSION.cast_signed()).fetch_optional(connection))?;
        row.map(|row| read_split_job(job, &row)).transpose()
    }

    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError> {
        let done = ask!(self, connection => sqlx::query(sql::RENEW_LEASE)
            .bind(lease.job.0)
            .bind(lease.fence)
            .bind(milliseconds(duration)).execute(connection))?;
        Ok(done.rows_affected() > 0)
    }

    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError> {
        ask!(self, connection => sqlx::query(sql::RELEASE_LEASE)
            .bind(lease.job.0)
            .bind(lease.fence)
            .bind(i32::from(stalled)).execute(connection))?;
        Ok(())
    }

    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<BatchNo>, StoreError> {
        let numbers: Vec<i32> = ask!(self, connection => sqlx::query_scalar(sql::APPLIED_BATCHES)
            .bind(job.0)
            .bind(after.0.cast_signed()).fetch_all(connection))?;
        Ok(numbers.into_iter().map(|number| BatchNo(number.cast_unsigned())).collect())
    }

    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<bool, StoreError> {
        let done = ask!(self, connection => sqlx::query(sql::BEGIN_STOP)
            .bind(lease.job.0)
            .bind(lease.fence)
            .bind(error.line.cast_signed())
            .bind(error.code.as_str())
            .bind(&error.message)
            .execute(connection))?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        failpoint!("stop_begun");
        self.complete_stops().await?;
        Ok(true)
    }

    async fn finish_split(&self, lease: Lease, end: SplitEnd) -> Result<bool, StoreError> {
        let error = end.file_error.as_ref();
        let done = ask!(self, connection => sqlx::query(sql::FINISH_SPLIT)
            .bind(lease.job.0)
            .bind(lease.fence)
            .bind(end.batches.cast_signed())
            .bind(end.rows.cast_signed())
            .bind(end.bytes.cast_signed())
            .bind(error.map(|error| error.line.cast_signed()))
            .bind(error.map(|error| error.code.as_str()))
            .bind(error.map(|error| error.message.as_str())).execute(connection))?;
        Ok(done.rows_affected() > 0)
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn read_split_job(job: JobId, row: &PgRow) -> Result<SplitJob, StoreError> {
    let get = |error| store_error(error);
    let sha256: &[u8] = row.try_get(4).map_err(get)?;
    let stalls: i32 = row.try_get(10).map_err(get)?;
    Ok(SplitJob {
        lease: Lease { job, fence: row.try_get(0).map_err(get)? },
        dialect: read_dialect(row.try_get(1).map_err(get)?)?,
        raw: RawFile {
            key: row.try_get(2).map_err(get)?,
            bytes: row.try_get::<i64, _>(3).map_err(get)?.cast_unsigned(),
            sha256: sha256.try_into().map_err(|_| StoreError::Unreadable("the hash of an upload"))?,
            encoding: row.try_get(5).map_err(get)?,
            format: read_format(row.try_get(8).map_err(get)?)?,
            charset: read_charset(row.try_get(9).map_err(get)?)?,
        },
        titles: read_titles(row.try_get(6).map_err(get)?)?,
        cut: read_cut(row.try_get(7).map_err(get)?)?,
        patience: SplitJob::patience_after(stalls.cast_unsigned()),
    })
}

pub(crate) fn read_dialect(text: &str) -> Result<Dialect, StoreError> {
    Dialect::parse(text).ok_or(StoreError::Unreadable("the dialect of a job"))
}

pub(crate) fn read_format(text: &str) -> Result<Format, StoreError> {
    Format::parse(text).ok_or(StoreError::Unreadable("the format of an upload"))
}

fn read_charset(text: &str) -> Result<Charset, StoreError> {
    Charset::parse(text).ok_or(StoreError::Unreadable("the charset of an upload"))
}

pub(crate) fn read_titles(json: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Unreadable("the titles of a job"))
}

pub(crate) fn read_cut(json: &str) -> Result<CutRules, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Unreadable("the cut rules of a job"))
}
