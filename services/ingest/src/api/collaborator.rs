//! The Collaborator API: `POST /api/v2/users-import/csv`, `/batch` and `/single`.
//!
//! A call is an upload that waits for the end of its job before it responds. The vendor's clients read no response
//! before they have sent the whole body, so the body of a refused call is drained first, if its token is valid.

mod calls;
mod errors;
mod reply;
mod single;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, post};
use muster_domain::{Dialect, Handling, JobId, TenantId};
use muster_http::{ApiError, Caller, Client, public_base_url};
use muster_ports::{Creation, CutRules, JobView, MissingUsers, Scope, Store};
use serde_json::json;

use crate::api::accept::{count_refusal, start_job};
use crate::api::responses::{json_response, stopping};
use crate::api::state::Ingest;
use crate::upload;
use crate::upload::body::BodyReader;
use crate::upload::context::UploadContext;
use crate::upload::error::UploadError;
use crate::upload::headers::{UploadHeaders, idempotency, sheet};
use crate::upload::slots::Slot;
use calls::Call;
use errors::{ImportError, Subject, error_response, values_response};
use reply::build_reply;

/// How long a call waits for its job. The vendor's clients wait for an hour.
const WAIT_TIMEOUT: Duration = Duration::from_mins(59);

/// The maximum number of rows per batch. A batch may consist of new users with passwords, which are slow to hash, and
/// must end before its delivery counts as lost.
const MAX_BATCH_ROWS: u32 = 500;
/// The maximum number of rows per epoch. A row has three hashes: of its uid, its e-mail and its login.
const MAX_EPOCH_ROWS: u64 = 150_000;

pub(crate) fn routes() -> Router<Ingest> {
    let import = |call| post(move |State(ingest), request| import(ingest, call, request)).fallback(not_allowed);
    Router::new()
        .route("/api/v2/users-import/csv", import(Call::Csv))
        .route("/api/v2/users-import/batch", import(Call::Batch))
        .route("/api/v2/users-import/single", import(Call::Single))
        .route("/api/{*path}", any(not_found))
}

async fn not_found() -> Response {
    error_response(ApiError::new(StatusCode::NOT_FOUND, "not_found", "No such endpoint."), Subject::Body)
}

async fn not_allowed() -> Response {
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Only POST is allowed.");
    error_response(error, Subject::Body)
}

/// Imports users and returns the counts when the job is final.
///
/// Requires the scope `import:write`. Returns 200 if at least one row was imported, and 400 if none was. Returns 202
/// with the URL of the job's status if the client sent `Prefer: respond-async`, the job takes longer than
/// [`WAIT_TIMEOUT`], or too many calls wait already. The body of a refused call is drained within limits before the
/// response, unless the client waits for `100 Continue`.
async fn import(ingest: Ingest, call: Call, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let headers = UploadHeaders::parse(&parts.headers);
    let subject = call.subject(headers.as_ref().ok());
    let length = headers.as_ref().ok().and_then(|headers| headers.content_length);
    let caller = match Caller::from_request_parts(&mut parts, &ingest).await {
        Ok(caller) => caller,
        // The server drains a little of the body.
        Err(error) => return error_response(error, subject),
    };
    let result = match admit(&ingest, call, &caller, &parts, headers) {
        Ok(admitted) => run(&ingest, call, admitted, &parts, body).await,
        Err(error) => {
            // Reading would send `100 Continue`, and the client would send a body that is discarded.
            if !parts.headers.contains_key(header::EXPECT)
                && let Ok(_slot) = ingest.drains.take(caller.tenant())
            {
                BodyReader::new(body, &[]).drain(drain_limit(&ingest), length).await;
            }
            Err(error)
        }
    };
    result.unwrap_or_else(|error| error_response(error, subject))
}

/// How much of a refused body is drained: enough for a body that is moderately too large.
fn drain_limit(ingest: &Ingest) -> u64 {
    ingest.config.max_upload_bytes.saturating_mul(2)
}

/// A call whose caller and headers are accepted.
struct Admitted {
    context: UploadContext,
    headers: UploadHeaders,
    slot: Slot,
}

fn admit(
    ingest: &Ingest,
    call: Call,
    caller: &Caller,
    parts: &Parts,
    headers: Result<UploadHeaders, UploadError>,
) -> Result<Admitted, ApiError> {
    caller.require(Scope::ImportWrite)?;
    let headers = headers?;
    if !call.accepts(&headers) {
        return Err(UploadError::content_type(call.content_types(), &headers.media_type).into());
    }
    let idempotency = idempotency(&parts.headers)?;
    let slot = ingest.uploads.take(caller.tenant())?;
    let blocks_missing_users = call != Call::Single && caller.settings().missing_users == MissingUsers::Block;
    let context = UploadContext {
        tenant: caller.tenant(),
        dialect: Dialect::Collaborator,
        handling: Handling::Strict,
        blocks_missing_users,
        declared_charset: UploadContext::declare_charset(headers.charset()?, caller.settings().charset),
        own_titles: caller.settings().own_titles.clone(),
        idempotency,
        raw: ingest.deps.raw.clone(),
        archives: ingest.archives.clone(),
        sheet: sheet(&parts.uri),
        max_bytes: ingest.config.max_upload_bytes,
        quotas: caller.settings().quotas,
        cut: CutRules {
            batch_rows: ingest.config.cut.batch_rows.min(MAX_BATCH_ROWS),
            epoch_rows: ingest.config.cut.epoch_rows.min(MAX_EPOCH_ROWS),
            ..ingest.config.cut
        },
        decoders: ingest.decoders.clone(),
        stored_bytes: ingest.deps.metrics.upload_bytes.clone(),
    };
    Ok(Admitted { context, headers, slot })
}

async fn run(ingest: &Ingest, call: Call, admitted: Admitted, parts: &Parts, body: Body) -> Result<Response, ApiError> {
    let (headers, client) = (&parts.headers, Client::of(parts));
    let Admitted { context, headers: upload_headers, slot } = admitted;
    let (tenant, store) = (context.tenant, ingest.deps.store.clone());
    let (limit, drains) = (drain_limit(ingest), ingest.drains.clone());
    let format = upload_headers.format();
    // In a task of its own, so that a client that disconnects does not drop a transaction halfway.
    let receiving = ingest.deps.tasks.spawn("users import", async move {
        let mut body = BodyReader::new(body, &upload_headers.digests);
        let received = receive(call, &context, &*store, &upload_headers, &mut body).await;
        if received.is_err()
            && let Ok(_slot) = drains.take(tenant)
        {
            body.drain(limit, upload_headers.content_length).await;
        }
        drop(slot);
        received
    });
    let creation = match receiving.await.map_err(|_| stopping())? {
        Ok(creation) => creation,
        Err(ImportError::Values(values)) => {
            ingest.deps.metrics.uploads.add(1, &[("outcome", "refused")]);
            return Ok(values_response(&values.into()));
        }
        Err(ImportError::Upload(error)) => {
            count_refusal(&ingest.deps, &error);
            return Err(error.into());
        }
    };
    let job = start_job(&ingest.deps, tenant, creation).await?;
    let url = format!("{}/bulk/v1/files/{job}", public_base_url(ingest.config.public_url.as_deref(), headers));
    if prefers_async(headers) {
        return Ok(accepted_response(&url));
    }
    let Ok(_slot) = ingest.waits.take(tenant) else { return Ok(accepted_response(&url)) };
    match tokio::time::timeout(WAIT_TIMEOUT, wait_for_job(ingest, tenant, job, &client)).await {
        Ok(WaitEnd::Final(view)) => build_reply(&*ingest.deps.store, tenant, call, format, &view).await,
        Ok(WaitEnd::Deleted) => {
            Err(ApiError::new(StatusCode::CONFLICT, "conflict", "The import was deleted before it ended."))
        }
        Ok(WaitEnd::Stopping) => Err(ApiError::unavailable(
            "stopping",
            &format!("The service is stopping; the import continues. Its status is at {url}"),
        )),
        // A client that has gone does not see this response.
        Ok(WaitEnd::ClientGone) | Err(_) => Ok(accepted_response(&url)),
    }
}

async fn receive(
    call: Call,
    context: &UploadContext,
    store: &dyn Store,
    headers: &UploadHeaders,
    body: &mut BodyReader,
) -> Result<Creation, ImportError> {
    match call {
        Call::Csv | Call::Batch => Ok(upload::receive(context, store, headers, body).await?),
        Call::Single => {
            let object = single::read_object(headers, body).await?;
            let stored = upload::store_object(context, object).await?;
            Ok(upload::create_job(context, store, stored).await?)
        }
    }
}

/// Whether the client asks not to wait (RFC 7240).
fn prefers_async(headers: &HeaderMap) -> bool {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case("respond-async"))
}

/// The response to a client that does not wait for its job.
fn accepted_response(url: &str) -> Response {
    let mut response = json_response(StatusCode::ACCEPTED, &json!({ "status": "Status: Success", "status_url": url }));
    if let Ok(location) = url.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Why the wait for a job ended.
enum WaitEnd {
    Final(Box<JobView>),
    Deleted,
    Stopping,
    ClientGone,
}

/// Waits for the end of a job, without holding a slot or a database connection meanwhile.
async fn wait_for_job(ingest: &Ingest, tenant: TenantId, job: JobId, client: &Client) -> WaitEnd {
    let mut signals = ingest.deps.store.signals(job);
    let mut client_gone = std::pin::pin!(client.closed());
    loop {
        match ingest.deps.store.find_job(tenant, job).await {
            Ok(Some(view)) if view.state.is_final() => return WaitEnd::Final(Box::new(view)),
            Ok(Some(_)) => {}
            Ok(None) => return WaitEnd::Deleted,
            Err(error) => tracing::debug!(%job, %error, "could not load the job while waiting; will retry"),
        }
        tokio::select! {
            () = signals.progress() => {}
            () = &mut client_gone => return WaitEnd::ClientGone,
            () = ingest.deps.shutdown.requested() => return WaitEnd::Stopping,
        }
    }
}
