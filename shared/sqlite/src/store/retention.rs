//! Removes data of jobs whose retention has ended.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::JobId;
use muster_ports::{Retention, StoreError, UploadPosition, UploadToRemove};
use muster_sql::jobs;
use rusqlite::{OptionalExtension, params};

use crate::connection::row::decode;
use crate::sql;
use crate::store::SqliteStore;
use crate::store::splits::milliseconds;

#[async_trait]
impl Retention for SqliteStore {
    async fn uploads_to_remove(
        &self,
        age: Duration,
        after: Option<UploadPosition>,
        limit: u32,
    ) -> Result<Vec<UploadToRemove>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::UPLOADS_TO_REMOVE)?;
            let (finished_us, job) = after.map(|after| (after.finished_us, after.job)).unzip();
            let values = params![milliseconds(age), limit, finished_us, job];
            statement.query_map(values, decode(|row| jobs::upload_to_remove(row)))?.collect()
        })
        .await
    }

    async fn record_upload_removed(&self, job: JobId) -> Result<(), StoreError> {
        self.write(move |db| db.execute(sql::RECORD_UPLOAD_REMOVED, [job.0]).map(drop)).await
    }

    async fn remove_rejections(&self, after: Duration, limit: u32) -> Result<bool, StoreError> {
        self.write(move |db| {
            let taken: Option<(i64, i64)> = db
                .query_row(sql::CLOSE_REPORTS, [milliseconds(after)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((tenant, job)) = taken else { return Ok(false) };
            db.execute(sql::REMOVE_REJECTIONS, params![tenant, job, limit])?;
            db.execute(sql::REMOVE_WARNINGS, params![tenant, job, limit])?;
            db.execute(sql::RECORD_REPORTS_REMOVED, params![tenant, job])?;
            Ok(true)
        })
        .await
    }

    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError> {
        self.write(move |db| db.execute(sql::REMOVE_ATTEMPTS, params![milliseconds(after), limit]).map(drop)).await
    }
}
