//! The end of a job, which the splitter, the worker and the reconciler can each reach.

use muster_domain::JobId;

use crate::error::StoreError;
use crate::job::FinishedJob;
use crate::queue::Publisher;
use crate::split_request::publish_split_request;
use crate::store::Store;

/// Finishes a job if it is complete, and requests the split of the tenant's next one. If that request is lost, the
/// reconciler repeats it.
pub async fn finish_job_and_start_next(
    store: &(impl Store + ?Sized),
    queue: &(impl Publisher + ?Sized),
    job: JobId,
) -> Result<Option<FinishedJob>, StoreError> {
    let finished = store.finish_job(job).await?;
    if let Some(next) = finished.as_ref().and_then(|finished| finished.next) {
        let _ = publish_split_request(queue, next, Vec::new()).await;
    }
    Ok(finished)
}
