//! Leases and results of splits.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, Charset, Dialect, Format, JobId, Rejection};
use muster_ports::{CutRules, Lease, RawFile, SplitEnd, SplitJob, Splits, StoreError, Upkeep};
use rusqlite::{OptionalExtension, Row, params};

use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Splits for SqliteStore {
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError> {
        let row = self
            .write(move |db| {
                let values = params![job.0, milliseconds(duration), CutRules::VERSION];
                db.prepare_cached(sql::LEASE_SPLIT)?.query_row(values, LeaseRow::read).optional()
            })
            .await?;
        row.map(|row| row.into_split_job(job)).transpose()
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

    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<BatchNo>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::APPLIED_BATCHES)?;
            statement.query_map(params![job.0, after.0], |row| row.get(0).map(BatchNo))?.collect()
        })
        .await
    }

    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<bool, StoreError> {
        let begun = self
            .write(move |db| {
                let values =
                    params![lease.job.0, lease.fence, error.line.cast_signed(), error.code.as_str(), error.message];
                Ok(db.execute(sql::BEGIN_STOP, values)? > 0)
            })
            .await?;
        if begun {
            self.complete_stops().await?;
        }
        Ok(begun)
    }

    async fn finish_split(&self, lease: Lease, end: SplitEnd) -> Result<bool, StoreError> {
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
                error.map(|error| error.message.as_str())
            ];
            Ok(db.prepare_cached(sql::FINISH_SPLIT)?.execute(values)? > 0)
        })
        .await
    }
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A row of `lease_split.sql`.
struct LeaseRow {
    fence: i64,
    dialect: String,
    raw_key: String,
    raw_bytes: i64,
    raw_sha256: [u8; 32],
    raw_encoding: String,
    titles: String,
    cut: String,
    raw_format: String,
    raw_charset: String,
    stalls: u32,
}

impl LeaseRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            fence: row.get(0)?,
            dialect: row.get(1)?,
            raw_key: row.get(2)?,
            raw_bytes: row.get(3)?,
            raw_sha256: row.get(4)?,
            raw_encoding: row.get(5)?,
            titles: row.get(6)?,
            cut: row.get(7)?,
            raw_format: row.get(8)?,
            raw_charset: row.get(9)?,
            stalls: row.get(10)?,
        })
    }

    fn into_split_job(self, job: JobId) -> Result<SplitJob, StoreError> {
        Ok(SplitJob {
            lease: Lease { job, fence: self.fence },
            dialect: read_dialect(&self.dialect)?,
            raw: RawFile {
                key: self.raw_key,
                bytes: self.raw_bytes.cast_unsigned(),
                sha256: self.raw_sha256,
                encoding: self.raw_encoding,
                format: read_format(&self.raw_format)?,
                charset: read_charset(&self.raw_charset)?,
            },
            titles: read_titles(&self.titles)?,
            cut: read_cut(&self.cut)?,
            patience: SplitJob::patience_after(self.stalls),
        })
    }
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
