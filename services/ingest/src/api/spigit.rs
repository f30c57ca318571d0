//! The Spigit API: `POST /bulk/v1/files`, `DELETE /bulk/v1/files/{id}` and `POST /bulk/v1/files/{id}/cancel`.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use muster_domain::{Dialect, JobId, JobState};
use muster_http::{ApiError, Caller, IdPath, public_base_url};
use muster_ports::{Cancellation, Deletion, Scope};
use muster_runtime::failpoint;
use serde_json::json;

use crate::IngestDeps;
use crate::api::accept::{count_refusal, start_job};
use crate::api::responses::{json_response, stopping};
use crate::api::state::Ingest;
use crate::split_requests::request_split;
use crate::upload;
use crate::upload::body::BodyReader;
use crate::upload::context::UploadContext;
use crate::upload::error::UploadError;
use crate::upload::headers::{UploadHeaders, handling, idempotency, sheet};
use crate::upload::slots::LimitReached;

pub(crate) fn routes() -> Router<Ingest> {
    Router::new()
        .route("/bulk/v1/files", post(post_file))
        .route("/bulk/v1/files/{id}", delete(delete_file))
        .route("/bulk/v1/files/{id}/cancel", post(cancel_file))
}

/// An error of `POST /bulk/v1/files`.
enum PostError {
    /// An error of the request: `{"message": "…", "code": "…"}`.
    Request(ApiError),
    /// A refused upload: `{"status": "Status: Failed. …", "code": "…"}`. The vendor describes `status` as a validation
    /// message.
    Upload(ApiError),
}

impl From<ApiError> for PostError {
    fn from(error: ApiError) -> Self {
        Self::Request(error)
    }
}

impl From<UploadError> for PostError {
    fn from(error: UploadError) -> Self {
        Self::Upload(error.into())
    }
}

impl From<LimitReached> for PostError {
    fn from(limit: LimitReached) -> Self {
        Self::Upload(limit.into())
    }
}

impl IntoResponse for PostError {
    fn into_response(self) -> Response {
        match self {
            Self::Request(error) => error.into_response(),
            Self::Upload(error) => error.into_response_with(
                |_, code, message| json!({ "status": format!("Status: Failed. {message}"), "code": code }),
            ),
        }
    }
}

/// Accepts a file as a job and returns 202 with the URL of its status.
///
/// Requires the scope `import:write`. The whole body is received, inspected and stored before the job row is committed;
/// the import itself runs afterwards. Refuses the upload if the process or the tenant has reached its limit on
/// concurrent uploads. A repeated upload with the same `Idempotency-Key` and the same file returns the existing job.
async fn post_file(
    State(ingest): State<Ingest>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, PostError> {
    caller.require(Scope::ImportWrite)?;
    let slot = ingest.uploads.take(caller.tenant())?;
    let upload_headers = UploadHeaders::parse(&headers)?;
    let idempotency = idempotency(&headers)?;
    let context = UploadContext {
        tenant: caller.tenant(),
        dialect: Dialect::Spigit,
        handling: handling(&headers, caller.settings().short_rows),
        blocks_missing_users: false,
        declared_charset: UploadContext::declare_charset(upload_headers.charset()?, caller.settings().charset),
        own_titles: caller.settings().own_titles.clone(),
        idempotency,
        raw: ingest.deps.raw.clone(),
        archives: ingest.archives.clone(),
        sheet: sheet(&uri),
        max_bytes: ingest.config.max_upload_bytes,
        quotas: caller.settings().quotas,
        cut: ingest.config.cut,
        decoders: ingest.decoders.clone(),
        stored_bytes: ingest.deps.metrics.upload_bytes.clone(),
    };
    let store = ingest.deps.store.clone();
    // In a task of its own, so that a client that disconnects does not drop a transaction halfway.
    let receiving = ingest.deps.tasks.spawn("upload", async move {
        let mut body = BodyReader::new(body, &upload_headers.digests);
        let received = upload::receive(&context, &*store, &upload_headers, &mut body).await;
        drop(slot);
        received
    });
    let received = receiving.await.map_err(|_| stopping())?;
    let creation = received.inspect_err(|error| count_refusal(&ingest.deps, error))?;
    failpoint!("job_accepted");
    let job = start_job(&ingest.deps, caller.tenant(), creation).await?;
    failpoint!("upload_answered");
    let base = public_base_url(ingest.config.public_url.as_deref(), &headers);
    let body = json!({ "status": "Status: Success", "status_url": format!("{base}/bulk/v1/files/{job}") });
    Ok(json_response(StatusCode::ACCEPTED, &body))
}

/// Deletes a job with its ledger, its rejections and its stored upload. The users that it wrote stay.
///
/// Requires the scope `import:write`. Returns 404 if the tenant has no such job, and 409 while the job is being
/// processed. If deleting a pending job lets the tenant's next job start, its split is requested.
async fn delete_file(State(ingest): State<Ingest>, caller: Caller, IdPath(job): IdPath) -> Result<Response, ApiError> {
    caller.require(Scope::ImportWrite)?;
    match ingest.deps.store.delete_job(caller.tenant(), job).await? {
        Deletion::Unknown => Err(ApiError::file_not_found()),
        Deletion::Processing => Err(ApiError::new(
            StatusCode::CONFLICT,
            "job_not_terminal",
            "File is being processed and cannot be deleted.",
        )),
        Deletion::Deleted { raw_key, next } => {
            // In a task of its own, so that a client that disconnects does not interrupt it.
            let cleaning = ingest.deps.tasks.spawn("clean up", clean_up(ingest.deps.clone(), job, raw_key, next));
            let _ = cleaning.await;
            tracing::info!(%job, tenant = %caller.tenant(), "job deleted");
            Ok(json_response(StatusCode::OK, &json!({ "message": "File deleted." })))
        }
    }
}

/// Cancels a job: batches that are not applied yet will not be; what has been applied stays.
///
/// Requires the scope `import:write`. Returns 404 if the tenant has no such job, and 409 if the job is final in another
/// state. Canceling a canceled job succeeds again, but is not counted again.
async fn cancel_file(State(ingest): State<Ingest>, caller: Caller, IdPath(job): IdPath) -> Result<Response, ApiError> {
    caller.require(Scope::ImportWrite)?;
    match ingest.deps.store.cancel_job(caller.tenant(), job).await? {
        Cancellation::Unknown => Err(ApiError::file_not_found()),
        Cancellation::Final(state) => {
            let message = format!("File is {} and cannot be canceled.", state.as_str());
            Err(ApiError::new(StatusCode::CONFLICT, "job_terminal", message))
        }
        Cancellation::Canceled { now, next } => {
            if let Some(next) = next {
                request_split(&ingest.deps, next, Vec::new()).await;
            }
            if now {
                ingest.deps.metrics.count_finished(JobState::Canceled);
                // Otherwise they expire an hour later.
                let _ = ingest.deps.counters.retire(job).await;
                tracing::info!(%job, tenant = %caller.tenant(), "job canceled");
            }
            Ok(json_response(StatusCode::OK, &json!({ "message": "File canceled." })))
        }
    }
}

/// Removes what a deleted job leaves outside of the database, and requests the split of the tenant's next job.
async fn clean_up(deps: IngestDeps, job: JobId, raw_key: String, next: Option<JobId>) {
    if let Err(error) = deps.raw.delete(&raw_key).await {
        tracing::warn!(%job, %error, "could not remove the stored upload of a deleted job; a sweep will");
    }
    if let Err(error) = deps.counters.forget(job).await {
        tracing::debug!(%job, %error, "could not remove the counters of a deleted job");
    }
    if let Some(next) = next {
        request_split(&deps, next, Vec::new()).await;
    }
}
