//! `POST /api/v2/users-import/csv`, `/batch` and `/single`: the Collaborator API.
//!
//! A call is an upload like any other; it only waits for the end of its job before it answers. Its clients
//! read no answer before they have sent everything, so the body is read to its end first.

mod reply;
mod single;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use muster_domain::{Dialect, Format, Handling, JobId};
use muster_http::{ApiError, Caller, Subject, public_base};
use muster_ports::{Creation, CutRules, JobView, MissingUsers, Scope};
use serde_json::json;

use crate::http::{Ingest, accepted, answer, refused, too_many};
use crate::upload::headers::{Claims, idempotency};
use crate::upload::{self, Frames, Upload, UploadError};

/// How long a call waits for its job. Its clients wait for an hour.
const WAIT_DEADLINE: Duration = Duration::from_mins(59);

/// Rows of a batch at most: all of them may be new users with passwords, whose hashes take their time, and
/// a batch must not take so long that it is held for lost.
const BATCH_ROWS: u32 = 500;

/// How much is read of a body whose sender may not send it at all.
const UNADMITTED_BYTES: u64 = 128 << 20;

/// Which of the three calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `/csv`: a file.
    Csv,
    /// `/batch`: an array of objects, or a file.
    Batch,
    /// `/single`: one object.
    Single,
}

impl Call {
    /// What an answer calls the whole of the request.
    fn subject(self, claims: Option<&Claims>) -> Subject {
        let is_json = claims.is_some_and(Claims::is_json);
        if self == Self::Single || (self == Self::Batch && is_json) { Subject::Body } else { Subject::File }
    }

    fn takes(self, claims: &Claims) -> bool {
        match self {
            Self::Csv => !claims.is_json(),
            Self::Batch => true,
            Self::Single => claims.is_json(),
        }
    }
}

pub(crate) fn routes() -> Router<Ingest> {
    let import = |call| post(move |State(ingest), request| import(ingest, call, request)).fallback(not_allowed);
    Router::new()
        .route("/api/v2/users-import/csv", import(Call::Csv))
        .route("/api/v2/users-import/batch", import(Call::Batch))
        .route("/api/v2/users-import/single", import(Call::Single))
        .route("/api/{*path}", any(not_found))
}

async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is no such call.").as_collaborator(Subject::Body)
}

async fn not_allowed() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Send a POST.").as_collaborator(Subject::Body)
}

async fn import(ingest: Ingest, call: Call, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let claims = Claims::read(&parts.headers);
    let subject = call.subject(claims.as_ref().ok());
    let length = claims.as_ref().ok().and_then(|claims| claims.bytes);
    let result = match admit(&ingest, call, &mut parts, claims).await {
        Ok(admitted) => run(&ingest, call, admitted, &parts.headers, body).await,
        Err(error) => {
            // Reading would tell a client that asks first to send what nobody wants.
            if !parts.headers.contains_key(header::EXPECT) {
                Frames::new(body, &[]).drain(drain_limit(&ingest).min(UNADMITTED_BYTES), length).await;
            }
            Err(error)
        }
    };
    result.unwrap_or_else(|error| error.as_collaborator(subject).into_response())
}

/// How much is read of a body that is refused: also of one that is too large, within reason.
fn drain_limit(ingest: &Ingest) -> u64 {
    ingest.config.max_upload_bytes.saturating_mul(2)
}

/// A call that may be served.
struct Admitted {
    upload: Upload,
    claims: Claims,
    slot: crate::slots::Slot,
}

async fn admit(
    ingest: &Ingest,
    call: Call,
    parts: &mut Parts,
    claims: Result<Claims, UploadError>,
) -> Result<Admitted, ApiError> {
    let caller = Caller::from_request_parts(parts, ingest).await?;
    caller.require(Scope::ImportWrite)?;
    let claims = claims?;
    if !call.takes(&claims) {
        return Err(UploadError::ContentTypeCollaborator.into());
    }
    let idempotency = idempotency(&parts.headers)?;
    let slot = ingest.slots.take(caller.tenant()).map_err(too_many)?;
    let blocks_missing = call != Call::Single && caller.settings().missing_users == MissingUsers::Block;
    let upload = Upload {
        tenant: caller.tenant(),
        dialect: Dialect::Collaborator,
        handling: Handling::Strict,
        blocks_missing,
        idempotency,
        raw: ingest.deps.raw.clone(),
        max_bytes: ingest.config.max_upload_bytes,
        cut: CutRules { batch_rows: ingest.config.cut.batch_rows.min(BATCH_ROWS), ..ingest.config.cut },
        bytes: ingest.deps.metrics.upload_bytes.clone(),
    };
    Ok(Admitted { upload, claims, slot })
}

async fn run(
    ingest: &Ingest,
    call: Call,
    admitted: Admitted,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Admitted { upload, claims, slot } = admitted;
    let (tenant, store) = (upload.tenant, ingest.deps.store.clone());
    let limit = drain_limit(ingest);
    let format = if claims.is_json() { Format::Json } else { Format::Csv };
    // A task of its own: a client that goes away must not drop a transaction half-way.
    let accepting = ingest.deps.tasks.spawn("users import", async move {
        let mut frames = Frames::new(body, &claims.digests);
        let received = receive(call, &upload, &*store, &claims, &mut frames).await;
        if received.is_err() {
            frames.drain(limit, claims.bytes).await;
        }
        drop(slot);
        received
    });
    let stopping = |_| ApiError::unavailable("stopping", "The service is stopping; try again.");
    let creation = match accepting.await.map_err(stopping)? {
        Ok(creation) => creation,
        Err(Refused::Values(values)) => {
            ingest.deps.metrics.uploads.add(1, &[("outcome", "refused")]);
            return Ok(answer(StatusCode::BAD_REQUEST, &json!({ "data": values })));
        }
        Err(Refused::Upload(error)) => {
            refused(&ingest.deps, &error);
            return Err(error.into());
        }
    };
    let job = accepted(&ingest.deps, tenant, creation).await?;
    let url = format!("{}/bulk/v1/files/{job}", public_base(ingest.config.public_url.as_deref(), headers));
    if wants_no_waiting(headers) {
        return Ok(later(&url));
    }
    match tokio::time::timeout(WAIT_DEADLINE, wait(ingest, tenant, job)).await {
        Ok(Ended::Final(view)) => reply::of(&*ingest.deps.store, tenant, call, format, &view).await,
        Ok(Ended::Gone) => {
            Err(ApiError::new(StatusCode::CONFLICT, "conflict", "The import was deleted before it ended."))
        }
        Ok(Ended::Stopping) => Err(ApiError::unavailable(
            "stopping",
            &format!("The service is stopping; the import goes on. Its state is at {url}"),
        )),
        Err(_) => Ok(later(&url)),
    }
}

/// Why a call does not become a job.
pub(crate) enum Refused {
    /// The one object lacks values, by their keys.
    Values(serde_json::Map<String, serde_json::Value>),
    /// As any other upload.
    Upload(UploadError),
}

impl From<UploadError> for Refused {
    fn from(error: UploadError) -> Self {
        Self::Upload(error)
    }
}

async fn receive(
    call: Call,
    upload: &Upload,
    store: &dyn muster_ports::Store,
    claims: &Claims,
    frames: &mut Frames,
) -> Result<Creation, Refused> {
    if call != Call::Single {
        return Ok(upload::receive(upload, store, claims, frames).await?);
    }
    let object = single::read(claims, frames).await?;
    let stored = upload::receive_object(upload, object).await?;
    Ok(upload::accept(upload, store, stored).await?)
}

fn wants_no_waiting(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case("respond-async"))
}

fn later(url: &str) -> Response {
    let mut response = answer(StatusCode::ACCEPTED, &json!({ "status": "Status: Success", "status_url": url }));
    if let Ok(location) = url.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

enum Ended {
    Final(Box<JobView>),
    Gone,
    Stopping,
}

/// Waits for the end of a job, without holding anything of the service or the database meanwhile.
async fn wait(ingest: &Ingest, tenant: muster_domain::TenantId, job: JobId) -> Ended {
    let mut signals = ingest.deps.store.signals();
    loop {
        match ingest.deps.store.find_job(tenant, job).await {
            Ok(Some(view)) if view.state.is_final() => return Ended::Final(Box::new(view)),
            Ok(Some(_)) => {}
            Ok(None) => return Ended::Gone,
            Err(error) => tracing::debug!(%job, %error, "a waiting call does not see its job"),
        }
        tokio::select! {
            () = signals.progress(job) => {}
            () = ingest.deps.shutdown.begun() => return Ended::Stopping,
        }
    }
}
