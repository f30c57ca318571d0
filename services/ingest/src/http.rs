//! `POST /bulk/v1/files`, `DELETE /bulk/v1/files/{id}` and `POST /bulk/v1/files/{id}/cancel`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use muster_domain::{Dialect, JobId, JobState, TenantId};
use muster_http::{ApiError, Authorize, Caller, IdPath, JSON, public_base};
use muster_messages::{Envelope, SplitMessage};
use muster_ports::{Cancellation, Creation, Deletion, QueueName, Scope};
use muster_runtime::failpoint;
use muster_telemetry::context;
use serde_json::{Value, json};

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::slots::{Busy, Slots};
use crate::upload::headers::{Claims, handling, idempotency};
use crate::upload::{self, Frames, Upload, UploadError};
use crate::users_import;

/// How long an answer waits for the queue. The job is committed by then: if the bell is not heard,
/// the reconciler rings again.
const RING_DEADLINE: Duration = Duration::from_secs(4);

#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) deps: IngestDeps,
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) slots: Slots,
    authorize: Authorize,
}

impl FromRef<Ingest> for Authorize {
    fn from_ref(ingest: &Ingest) -> Self {
        ingest.authorize.clone()
    }
}

pub(crate) fn router(deps: IngestDeps, config: IngestConfig) -> Router {
    let slots = Slots::new(config.max_uploads, config.max_uploads_per_tenant);
    let authorize = Authorize::new(deps.store.clone());
    Router::new()
        .route("/bulk/v1/files", post(post_file))
        .route("/bulk/v1/files/{id}", delete(delete_file))
        .route("/bulk/v1/files/{id}/cancel", post(cancel_file))
        .merge(users_import::routes())
        .with_state(Ingest { deps, config: Arc::new(config), slots, authorize })
}

async fn post_file(
    State(ingest): State<Ingest>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportWrite)?;
    let slot = ingest.slots.take(caller.tenant()).map_err(|busy| too_many(busy).as_upload())?;
    let claims = Claims::read(&headers)?;
    let idempotency = idempotency(&headers)?;
    let upload = Upload {
        tenant: caller.tenant(),
        dialect: Dialect::Spigit,
        handling: handling(&headers, caller.settings().short_rows),
        blocks_missing: false,
        idempotency,
        raw: ingest.deps.raw.clone(),
        max_bytes: ingest.config.max_upload_bytes,
        cut: ingest.config.cut,
        bytes: ingest.deps.metrics.upload_bytes.clone(),
    };
    let store = ingest.deps.store.clone();
    // A task of its own: a client that goes away must not drop a transaction half-way.
    let accepting = ingest.deps.tasks.spawn("upload", async move {
        let created = upload::receive(&upload, &*store, &claims, &mut Frames::new(body, &claims.digests)).await;
        drop(slot);
        created
    });
    let created =
        accepting.await.map_err(|_| ApiError::unavailable("stopping", "The service is stopping; try again."))?;
    let created = created.inspect_err(|error| refused(&ingest.deps, error))?;
    failpoint!("job_accepted");
    let job = accepted(&ingest.deps, caller.tenant(), created).await?;
    failpoint!("upload_answered");
    let base = public_base(ingest.config.public_url.as_deref(), &headers);
    let body = json!({ "status": "Status: Success", "status_url": format!("{base}/bulk/v1/files/{job}") });
    Ok(answer(StatusCode::ACCEPTED, &body))
}

/// The job of an upload that was received.
pub(crate) async fn accepted(deps: &IngestDeps, tenant: TenantId, creation: Creation) -> Result<JobId, UploadError> {
    match creation {
        Creation::New(created) => {
            deps.metrics.uploads.add(1, &[("outcome", "accepted")]);
            tracing::Span::current().record("job", tracing::field::display(created.id));
            if created.may_begin {
                // The split goes on where the upload ends.
                ring(deps, created.id, context::inject()).await;
            }
            tracing::info!(job = %created.id, %tenant, "job accepted");
            Ok(created.id)
        }
        Creation::Known(job) => {
            deps.metrics.uploads.add(1, &[("outcome", "repeated")]);
            tracing::Span::current().record("job", tracing::field::display(job));
            tracing::info!(%job, %tenant, "an upload was sent again");
            Ok(job)
        }
        Creation::KeyReused => {
            refused(deps, &UploadError::KeyReused);
            Err(UploadError::KeyReused)
        }
    }
}

/// Counts an upload that does not become a job.
pub(crate) fn refused(deps: &IngestDeps, error: &UploadError) {
    let outcome = if error.is_ours() { "unavailable" } else { "refused" };
    deps.metrics.uploads.add(1, &[("outcome", outcome)]);
}

pub(crate) fn too_many(busy: Busy) -> ApiError {
    match busy {
        Busy::Process => ApiError::unavailable("uploads_in_flight", "Too many uploads are under way; try again."),
        Busy::Tenant => ApiError::too_many(
            "uploads_in_flight",
            "Too many uploads with tokens of this tenant are under way; try again when one has ended.",
        ),
    }
}

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
            // A task of its own: a client that goes away must not keep the file from being removed.
            let cleaning = ingest.deps.tasks.spawn("clean up", clean_up(ingest.deps.clone(), job, raw_key, next));
            let _ = cleaning.await;
            tracing::info!(%job, tenant = %caller.tenant(), "job deleted");
            Ok(answer(StatusCode::OK, &json!({ "message": "File deleted." })))
        }
    }
}

async fn cancel_file(State(ingest): State<Ingest>, caller: Caller, IdPath(job): IdPath) -> Result<Response, ApiError> {
    caller.require(Scope::ImportWrite)?;
    match ingest.deps.store.cancel_job(caller.tenant(), job).await? {
        Cancellation::Unknown => Err(ApiError::file_not_found()),
        Cancellation::Final(state) => {
            let message = format!("File is {} and cannot be canceled.", state.as_str());
            Err(ApiError::new(StatusCode::CONFLICT, "job_terminal", message))
        }
        Cancellation::Canceled { next } => {
            if let Some(next) = next {
                ring(&ingest.deps, next, Vec::new()).await;
            }
            ingest.deps.metrics.finished(JobState::Canceled);
            tracing::info!(%job, tenant = %caller.tenant(), "job canceled");
            Ok(answer(StatusCode::OK, &json!({ "message": "File canceled." })))
        }
    }
}

/// Removes what a deleted job leaves outside of the database, and lets the next one begin.
async fn clean_up(deps: IngestDeps, job: JobId, raw_key: String, next: Option<JobId>) {
    if let Err(error) = deps.raw.delete(&raw_key).await {
        tracing::warn!(%job, %error, "the stored upload of a deleted job could not be removed");
    }
    if let Err(error) = deps.counters.forget(job).await {
        tracing::debug!(%job, %error, "the counters of a deleted job could not be removed");
    }
    if let Some(next) = next {
        ring(&deps, next, Vec::new()).await;
    }
}

pub(crate) fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], Json(body)).into_response()
}

/// Rings for a job. The headers say what its split follows, if that is this request.
async fn ring(deps: &IngestDeps, job: JobId, headers: Vec<(String, String)>) {
    let bell = Envelope::from(SplitMessage { job }).with_headers(headers);
    let ringing = deps.queue.publish(QueueName::Split, bell);
    if !matches!(tokio::time::timeout(RING_DEADLINE, ringing).await, Ok(Ok(()))) {
        tracing::warn!(%job, "the queue did not take the split; the reconciler will try again");
    }
}
