//! Removes what has been kept long enough of final jobs: stored uploads, rejections, recorded attempts. The job row and
//! its counts stay.
//!
//! A stored upload is deleted before its job row is updated. If the process dies in between, the next pass deletes the
//! upload again, which changes nothing. In the other order the upload could remain forever: the sweep ignores
//! uploads that have a job.

use std::time::Duration;

use futures_util::StreamExt;
use muster_ports::{StoreError, UploadToRemove};

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::metrics::Repair;

/// The number of uploads per query.
const UPLOADS_PER_PAGE: u32 = 500;
/// The maximum number of pages per pass: enough for more jobs than end between two passes.
const MAX_PAGES_PER_PASS: u32 = 20;
/// The maximum number of uploads that are deleted at the same time.
const MAX_CONCURRENT_DELETIONS: usize = 16;
const MAX_REJECTIONS_PER_TRANSACTION: u32 = 5_000;
/// The maximum number of transactions per pass that remove rejections.
const MAX_TRANSACTIONS_PER_PASS: u32 = 100;
/// How long recorded attempts are kept after the end of their job.
const ATTEMPT_RETENTION: Duration = Duration::from_hours(24);
const MAX_ATTEMPTS_PER_PASS: u32 = 1_000;

/// How long data of a job is kept after the end of the job. `None`: forever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetentionPolicy {
    uploads: Option<Duration>,
    rejections: Option<Duration>,
}

impl RetentionPolicy {
    pub(crate) fn new(config: &IngestConfig) -> Self {
        Self { uploads: config.retain_uploads, rejections: config.retain_rejections }
    }
}

/// Does a bounded amount of work; the next pass continues.
pub(crate) async fn run_pass(deps: &IngestDeps, policy: RetentionPolicy) -> Result<(), StoreError> {
    deps.store.remove_attempts(ATTEMPT_RETENTION, MAX_ATTEMPTS_PER_PASS).await?;
    if let Some(age) = policy.rejections {
        let mut transactions = 0;
        while transactions < MAX_TRANSACTIONS_PER_PASS
            && deps.store.remove_rejections(age, MAX_REJECTIONS_PER_TRANSACTION).await?
        {
            transactions += 1;
        }
    }
    let mut transactions = 0;
    while transactions < MAX_TRANSACTIONS_PER_PASS && deps.store.remove_deleted(MAX_REJECTIONS_PER_TRANSACTION).await? {
        transactions += 1;
    }
    if let Some(age) = policy.uploads {
        remove_uploads(deps, age).await?;
    }
    Ok(())
}

/// Removes stored uploads. One that cannot be removed keeps no other: the next pass tries it again.
async fn remove_uploads(deps: &IngestDeps, age: Duration) -> Result<(), StoreError> {
    let (mut after, mut failed) = (None, 0_u64);
    for _ in 0..MAX_PAGES_PER_PASS {
        let page = deps.store.uploads_to_remove(age, after, UPLOADS_PER_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.position);
        let removals: Vec<_> = page.into_iter().map(|upload| remove_upload(deps.clone(), upload)).collect();
        let mut removals = futures_util::stream::iter(removals).buffer_unordered(MAX_CONCURRENT_DELETIONS);
        while let Some(removed) = removals.next().await {
            failed += u64::from(!removed?);
        }
    }
    if failed > 0 {
        tracing::warn!(uploads = failed, "could not remove stored uploads; will retry");
    }
    Ok(())
}

/// Returns whether the upload could be removed.
async fn remove_upload(deps: IngestDeps, upload: UploadToRemove) -> Result<bool, StoreError> {
    if let Err(error) = deps.raw.delete(&upload.raw_key).await {
        tracing::debug!(job = %upload.job, %error, "could not remove a stored upload");
        return Ok(false);
    }
    deps.store.record_upload_removed(upload.job).await?;
    tracing::debug!(job = %upload.job, "removed the stored upload of a job");
    deps.metrics.count_repair(Repair::UploadRemoved);
    Ok(true)
}
