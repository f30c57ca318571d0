//! `GET /bulk/v1/files` and `GET /bulk/v1/files/{id}`.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_domain::{JobId, JobState};
use muster_http::{ApiError, Caller, IdPath, JSON, public_base_url};
use muster_ports::{JobQuery, Scope};
use serde::Deserialize;
use serde_json::json;

use crate::shared_responses::{JobResponse, ResponseKey};
use crate::{Status, job_status};

const DEFAULT_PAGE_JOBS: u32 = 50;
const MAX_PAGE_JOBS: u32 = 200;

/// `GET /bulk/v1/files/{id}`: the status of one job. The response has an entity tag; a request that already knows it
/// gets 304. `Retry-After` is set until the job is final.
pub(crate) async fn show(
    State(status): State<Status>,
    caller: Caller,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let key = ResponseKey { tenant: caller.tenant(), job: id, base: base(&status, &headers) };
    let JobResponse { body, etag, is_final, source } =
        status.responses.ask(key.clone(), || JobResponse::load(&status, &key)).await?;
    status.metrics.count_response(source);
    let mut response = if headers.get(header::IF_NONE_MATCH) == Some(&etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, JSON)], body).into_response()
    };
    let response_headers = response.headers_mut();
    response_headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response_headers.insert(header::ETAG, etag);
    if !is_final {
        response_headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// The query parameters of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    status: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// `GET /bulk/v1/files`: the jobs of the tenant, newest first, one page at a time.
pub(crate) async fn list(
    State(status): State<Status>,
    caller: Caller,
    query: Result<Query<ListQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let Query(query) =
        query.map_err(|_| invalid("The query cannot be read: a parameter is unknown, repeated or malformed."))?;
    let filter = read_filter(&query)?;
    let jobs = status.store.list_jobs(caller.tenant(), filter).await?;
    let base = base(&status, &headers);
    let mut files = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let (file, source) = job_status::render(&status, caller.tenant(), job, &base).await?;
        status.metrics.count_response(source);
        files.push(file);
    }
    let full_page = jobs.len() == filter.limit as usize;
    let next = jobs.last().filter(|_| full_page).map(|job| {
        let status = query.status.as_ref().map(|status| format!("&status={status}")).unwrap_or_default();
        format!("{base}/bulk/v1/files?before={}&limit={}{status}", job.id, filter.limit)
    });
    Ok(([(header::CONTENT_TYPE, JSON)], json!({ "files": files, "next": next }).to_string()).into_response())
}

/// Parses the query parameters of a list.
pub(crate) fn read_filter(query: &ListQuery) -> Result<JobQuery, ApiError> {
    let state = query.status.as_deref().map(|text| {
        JobState::parse(text)
            .ok_or_else(|| invalid("status must be one of PENDING, PROCESSING, SUCCESS, FAILED, CANCELED."))
    });
    let before = query
        .before
        .as_deref()
        .map(|text| JobId::parse(text).ok_or_else(|| invalid("before must be the id of a file.")));
    Ok(JobQuery {
        state: state.transpose()?,
        before_id: before.transpose()?,
        limit: read_limit(query.limit.as_deref(), DEFAULT_PAGE_JOBS, MAX_PAGE_JOBS)?,
    })
}

/// Parses a page size from 1 to `max`.
pub(crate) fn read_limit(text: Option<&str>, default: u32, max: u32) -> Result<u32, ApiError> {
    match text.map(str::parse) {
        None => Ok(default),
        Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
        Some(_) => Err(invalid(&format!("limit must be a number from 1 to {max}."))),
    }
}

/// Creates the error for an invalid query parameter.
pub(crate) fn invalid(message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "parameter_invalid", message)
}

/// Returns the URL that links start with: the configured one, otherwise that of the request.
pub(crate) fn base(status: &Status, headers: &HeaderMap) -> String {
    public_base_url(status.public_url.as_deref(), headers)
}
