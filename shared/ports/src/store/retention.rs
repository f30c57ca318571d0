//! Removing what is kept of final jobs.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::JobId;

use crate::error::StoreError;
use crate::job::{UploadPosition, UploadToRemove};

/// Removes what is kept of jobs that became final at least `after` ago. Each call does a bounded amount of work.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Returns up to `limit` stored uploads that are due for removal: those of the jobs that ended first, or those that
    /// follow the position `after`.
    async fn uploads_to_remove(
        &self,
        age: Duration,
        after: Option<UploadPosition>,
        limit: u32,
    ) -> Result<Vec<UploadToRemove>, StoreError>;
    /// Records that the stored upload of a job has been removed.
    async fn record_upload_removed(&self, job: JobId) -> Result<(), StoreError>;
    /// Removes up to `limit` rejections of one job. The first call for a job hides all of its rejections, so that no
    /// client sees a partial list. Returns `false` if no job is due.
    async fn remove_rejections(&self, after: Duration, limit: u32) -> Result<bool, StoreError>;
    /// Removes up to `limit` recorded attempts.
    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError>;
}
