//! Split requests: the messages that ask a splitter to split a job.
//!
//! A lost request does no harm: the job row is committed before, and the reconciler repeats the request.

use muster_domain::JobId;
use muster_ports::publish_split_request;

use crate::IngestDeps;

/// Requests the split of a job. `headers` carry the trace that the split continues, if any.
pub(crate) async fn request_split(deps: &IngestDeps, job: JobId, headers: Vec<(String, String)>) {
    if let Err(error) = publish_split_request(&*deps.queue, job, headers).await {
        tracing::warn!(%job, %error, "could not request the split; the reconciler will retry");
    }
}
