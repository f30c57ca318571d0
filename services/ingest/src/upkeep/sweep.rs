//! Removes stored uploads without a job: the client or the service went away before the job row was committed, or a
//! deletion could not remove the upload.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use muster_ports::{RawStoreError, StoreError, StoredUpload};

use crate::IngestDeps;
use crate::metrics::Repair;

/// The age from which an upload is swept. Every upload takes less time from its start to its job row.
const MIN_AGE: Duration = Duration::from_hours(24);
/// The number of uploads per query.
const UPLOADS_PER_PAGE: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    Raw(#[from] RawStoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks every stored upload once.
pub(crate) async fn sweep(deps: &IngestDeps) -> Result<(), SweepError> {
    let mut pages = deps.raw.list().try_ready_chunks(UPLOADS_PER_PAGE);
    while let Some(page) = pages.next().await {
        let page: Vec<StoredUpload> = page.map_err(|error| error.1)?;
        for key in deps.store.uploads_without_job(page, MIN_AGE).await? {
            deps.raw.delete(&key).await?;
            tracing::info!("removed a stored upload without a job");
            deps.metrics.count_repair(Repair::UploadSwept);
        }
    }
    Ok(())
}
