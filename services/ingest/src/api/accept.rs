//! What follows a received upload: its metrics, its log line and the split request of its job.

use muster_domain::{JobId, TenantId};
use muster_ports::Creation;
use muster_telemetry::context;

use crate::IngestDeps;
use crate::split_requests::request_split;
use crate::upload::error::UploadError;

/// Returns the job of a received upload. Requests the split of a new job, unless an earlier job of its tenant is
/// unfinished.
pub(crate) async fn start_job(deps: &IngestDeps, tenant: TenantId, creation: Creation) -> Result<JobId, UploadError> {
    match creation {
        Creation::New(created) => {
            count_upload(deps, "accepted");
            tracing::Span::current().record("job", tracing::field::display(created.id));
            if created.can_start {
                // The split continues the trace of the upload.
                request_split(deps, created.id, context::inject()).await;
            }
            tracing::info!(job = %created.id, %tenant, "job accepted");
            Ok(created.id)
        }
        Creation::Existing(job) => {
            count_upload(deps, "repeated");
            tracing::Span::current().record("job", tracing::field::display(job));
            tracing::info!(%job, %tenant, "upload repeated; returning its existing job");
            Ok(job)
        }
        Creation::KeyReused => {
            count_refusal(deps, &UploadError::KeyReused);
            Err(UploadError::KeyReused)
        }
        Creation::QuotaExceeded(exceeded) => {
            let error = UploadError::from(exceeded);
            count_refusal(deps, &error);
            Err(error)
        }
    }
}

/// Counts an upload that does not become a job.
pub(crate) fn count_refusal(deps: &IngestDeps, error: &UploadError) {
    count_upload(deps, if error.is_server_error() { "unavailable" } else { "refused" });
}

fn count_upload(deps: &IngestDeps, outcome: &'static str) {
    deps.metrics.uploads.add(1, &[("outcome", outcome)]);
}
