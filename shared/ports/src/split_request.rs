//! Split requests.

use std::time::Duration;

use muster_domain::JobId;
use muster_messages::{Envelope, SplitMessage};

use crate::error::QueueError;
use crate::queue::{Publisher, QueueName};

/// How long the queue may take to confirm a split request. A response, or a pass of the reconciler, waits for it.
const SPLIT_REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Publishes a split request for a job. `headers` carry the trace that the split continues, if any.
///
/// After an error the caller need not retry: the reconciler requests the split of every job that waits for one.
pub async fn publish_split_request(
    queue: &(impl Publisher + ?Sized),
    job: JobId,
    headers: Vec<(String, String)>,
) -> Result<(), QueueError> {
    let request = Envelope::from(SplitMessage { job }).with_headers(headers);
    match tokio::time::timeout(SPLIT_REQUEST_TIMEOUT, queue.publish(QueueName::Split, request)).await {
        Ok(published) => published,
        Err(_) => Err(QueueError::Unavailable(None)),
    }
}
