//! Removes what has been kept of final jobs for long enough: stored uploads, rejections, notes of
//! attempts. The job row and its counts stay.
//!
//! A stored upload goes before the note in its job. If the process dies between the two, the next look
//! removes it once more, which changes nothing; the other way round an upload would be left that a job
//! knows and nobody looks for.

use std::time::Duration;

use muster_ports::{RawStoreError, StoreError};

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::metrics::Repair;

/// Uploads of one look at most.
const UPLOADS: u32 = 100;
/// Rejections of one transaction at most.
const REJECTIONS: u32 = 5_000;
/// Transactions of one look at most.
const STEPS: u32 = 100;
/// How long notes of attempts are kept.
const ATTEMPTS_AGE: Duration = Duration::from_hours(24);
/// Notes of attempts of one look at most.
const ATTEMPTS: u32 = 1_000;

/// How long what is stored of a job is kept after its end; for ever, if nothing is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    uploads: Option<Duration>,
    reports: Option<Duration>,
}

impl Keep {
    pub(crate) fn of(config: &IngestConfig) -> Self {
        Self { uploads: config.retain_uploads, reports: config.retain_reports }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RetainError {
    #[error(transparent)]
    Raw(#[from] RawStoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One look.
pub(crate) async fn look(deps: &IngestDeps, keep: Keep) -> Result<(), RetainError> {
    deps.store.remove_attempts(ATTEMPTS_AGE, ATTEMPTS).await?;
    if let Some(after) = keep.reports {
        let mut steps = 0;
        while steps < STEPS && deps.store.remove_reports(after, REJECTIONS).await? {
            steps += 1;
        }
    }
    if let Some(after) = keep.uploads {
        for (job, key) in deps.store.uploads_to_remove(after, UPLOADS).await? {
            deps.raw.delete(&key).await?;
            deps.store.note_upload_removed(job).await?;
            tracing::info!(%job, "the stored upload of a job was removed");
            deps.metrics.repaired(Repair::UploadRemoved);
        }
    }
    Ok(())
}
