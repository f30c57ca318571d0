//! Removes what has been kept long enough of final jobs: stored uploads, rejections, recorded attempts. The job row and
//! its counts stay.
//!
//! A stored upload is deleted before its job row is updated. If the process dies in between, the next pass deletes the
//! upload again, which changes nothing. In the other order the upload could remain forever: the sweep ignores
//! uploads that have a job.

use std::time::Duration;

use muster_ports::{RawStoreError, StoreError};

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::metrics::Repair;

const MAX_UPLOADS_PER_PASS: u32 = 100;
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

#[derive(Debug, thiserror::Error)]
pub(crate) enum RetentionError {
    #[error(transparent)]
    Raw(#[from] RawStoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Does a bounded amount of work; the next pass continues.
pub(crate) async fn run_pass(deps: &IngestDeps, policy: RetentionPolicy) -> Result<(), RetentionError> {
    deps.store.remove_attempts(ATTEMPT_RETENTION, MAX_ATTEMPTS_PER_PASS).await?;
    if let Some(age) = policy.rejections {
        let mut transactions = 0;
        while transactions < MAX_TRANSACTIONS_PER_PASS
            && deps.store.remove_rejections(age, MAX_REJECTIONS_PER_TRANSACTION).await?
        {
            transactions += 1;
        }
    }
    if let Some(age) = policy.uploads {
        for (job, key) in deps.store.uploads_to_remove(age, MAX_UPLOADS_PER_PASS).await? {
            deps.raw.delete(&key).await?;
            deps.store.record_upload_removed(job).await?;
            tracing::info!(%job, "removed the stored upload of a job");
            deps.metrics.count_repair(Repair::UploadRemoved);
        }
    }
    Ok(())
}
