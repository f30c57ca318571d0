//! What is removed of jobs that have been final for a while.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::JobId;
use muster_ports::{Retention, StoreError};

use crate::splits::milliseconds;
use crate::sql;
use crate::store::{PostgresStore, ask};

#[async_trait]
impl Retention for PostgresStore {
    async fn uploads_to_remove(&self, after: Duration, limit: u32) -> Result<Vec<(JobId, String)>, StoreError> {
        let rows: Vec<(i64, String)> = ask!(self, connection => sqlx::query_as(sql::UPLOADS_TO_REMOVE)
            .bind(milliseconds(after))
            .bind(i64::from(limit)).fetch_all(connection))?;
        Ok(rows.into_iter().map(|(job, key)| (JobId(job), key)).collect())
    }

    async fn note_upload_removed(&self, job: JobId) -> Result<(), StoreError> {
        ask!(self, connection => sqlx::query(sql::NOTE_UPLOAD_REMOVED).bind(job.0).execute(connection))?;
        Ok(())
    }

    /// Three statements, each a transaction: whoever dies between two of them is continued by the next
    /// call, which takes the same job.
    async fn remove_reports(&self, after: Duration, limit: u32) -> Result<bool, StoreError> {
        let taken: Option<(i64, i64)> = ask!(self, connection => sqlx::query_as(sql::CLOSE_REPORTS)
            .bind(milliseconds(after)).fetch_optional(connection))?;
        let Some((tenant, job)) = taken else { return Ok(false) };
        ask!(self, connection => sqlx::query(sql::REMOVE_REJECTIONS)
            .bind(tenant)
            .bind(job)
            .bind(i64::from(limit)).execute(connection))?;
        ask!(self, connection => sqlx::query(sql::NOTE_REPORTS_REMOVED).bind(tenant).bind(job).execute(connection))?;
        Ok(true)
    }

    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError> {
        ask!(self, connection => sqlx::query(sql::REMOVE_ATTEMPTS)
            .bind(milliseconds(after))
            .bind(i64::from(limit)).execute(connection))?;
        Ok(())
    }
}
