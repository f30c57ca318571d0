//! Removes data of jobs whose retention has ended.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::JobId;
use muster_ports::{Retention, StoreError, UploadPosition, UploadToRemove};
use muster_sql::{SqlRow, jobs};

use crate::sql;
use crate::store::PostgresStore;
use crate::store::splits::milliseconds;

#[async_trait]
impl Retention for PostgresStore {
    async fn uploads_to_remove(
        &self,
        age: Duration,
        after: Option<UploadPosition>,
        limit: u32,
    ) -> Result<Vec<UploadToRemove>, StoreError> {
        let statement = sqlx::query(sql::UPLOADS_TO_REMOVE)
            .bind(milliseconds(age))
            .bind(i64::from(limit))
            .bind(after.map(|after| after.finished_us))
            .bind(after.map(|after| after.job));
        let rows = self.database.fetch_all(statement).await?;
        Ok(rows.iter().map(jobs::upload_to_remove).collect::<Result<_, _>>()?)
    }

    async fn record_upload_removed(&self, job: JobId) -> Result<(), StoreError> {
        self.database.execute(sqlx::query(sql::RECORD_UPLOAD_REMOVED).bind(job.0)).await.map(drop)
    }

    /// Statements that are a transaction each: if a process dies between two of them, the next call takes the same job
    /// and continues.
    async fn remove_rejections(&self, after: Duration, limit: u32) -> Result<bool, StoreError> {
        let statement = sqlx::query(sql::CLOSE_REPORTS).bind(milliseconds(after));
        let Some(row) = self.database.fetch_optional(statement).await? else { return Ok(false) };
        let (tenant, job) = (row.number("tenant")?, row.number("id")?);
        self.database
            .execute(sqlx::query(sql::REMOVE_REJECTIONS).bind(tenant).bind(job).bind(i64::from(limit)))
            .await?;
        self.database.execute(sqlx::query(sql::REMOVE_WARNINGS).bind(tenant).bind(job).bind(i64::from(limit))).await?;
        self.database.execute(sqlx::query(sql::RECORD_REPORTS_REMOVED).bind(tenant).bind(job)).await?;
        Ok(true)
    }

    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError> {
        let statement = sqlx::query(sql::REMOVE_ATTEMPTS).bind(milliseconds(after)).bind(i64::from(limit));
        self.database.execute(statement).await.map(drop)
    }
}
