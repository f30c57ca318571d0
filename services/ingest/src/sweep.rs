//! Removes stored uploads that no job knows: their client or their service went away between the
//! end of the upload and the job row, or they outlived a deletion.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use muster_ports::{RawStoreError, StoreError, StoredUpload};

use crate::IngestDeps;
use crate::metrics::Repair;

/// No upload takes as long as this from its begin to its job row.
const AGE: Duration = Duration::from_hours(24);
/// Uploads that are looked up together.
const PAGE: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error(transparent)]
    Raw(#[from] RawStoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at every stored upload once.
pub(crate) async fn sweep(deps: &IngestDeps) -> Result<(), SweepError> {
    let mut pages = deps.raw.list().try_ready_chunks(PAGE);
    while let Some(page) = pages.next().await {
        let page: Vec<StoredUpload> = page.map_err(|error| error.1)?;
        for key in deps.store.uploads_without_job(page, AGE).await? {
            deps.raw.delete(&key).await?;
            tracing::info!("a stored upload without a job was removed");
            deps.metrics.repaired(Repair::UploadSwept);
        }
    }
    Ok(())
}
