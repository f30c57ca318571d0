//! `GET /bulk/v1/files` and `GET /bulk/v1/files/{id}`.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_domain::job::{LISTED_REJECTIONS, error_message, error_message_without_rows};
use muster_domain::{JobId, JobState, TenantId};
use muster_http::{ApiError, Caller, IdPath, JSON, public_base};
use muster_ports::{JobFilter, JobView, PageAfter, Scope};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Status;
use crate::answers::{Answer, Question};
use crate::progress::Progress;

const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// `GET /bulk/v1/files/{id}`.
pub(crate) async fn show(
    State(status): State<Status>,
    caller: Caller,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let question = Question { tenant: caller.tenant(), job: id, base: base(&status, &headers) };
    let Answer { body, tag, is_final, source } =
        status.answers.ask(question.clone(), || Answer::to(&status, &question)).await?;
    status.deps.metrics.answered(source);
    let mut response = if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, JSON)], body).into_response()
    };
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    answer.insert(header::ETAG, tag);
    if !is_final {
        answer.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// What may stand in the query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    status: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

/// `GET /bulk/v1/files`.
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
    let jobs = status.deps.store.list_jobs(caller.tenant(), filter).await?;
    let base = base(&status, &headers);
    let mut files = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let (file, source) = describe(&status, caller.tenant(), job, &base).await?;
        status.deps.metrics.answered(source);
        files.push(file);
    }
    let full_page = jobs.len() == filter.limit as usize;
    let next = jobs.last().filter(|_| full_page).map(|job| {
        let status = query.status.as_ref().map(|status| format!("&status={status}")).unwrap_or_default();
        format!("{base}/bulk/v1/files?before={}&limit={}{status}", job.id, filter.limit)
    });
    Ok(([(header::CONTENT_TYPE, JSON)], json!({ "files": files, "next": next }).to_string()).into_response())
}

pub(crate) fn read_filter(query: &ListQuery) -> Result<JobFilter, ApiError> {
    let state = query.status.as_deref().map(|text| {
        JobState::parse(text)
            .ok_or_else(|| invalid("status must be one of PENDING, PROCESSING, SUCCESS, FAILED, CANCELED."))
    });
    let before = query
        .before
        .as_deref()
        .map(|text| JobId::parse(text).ok_or_else(|| invalid("before must be the id of a file.")));
    Ok(JobFilter {
        state: state.transpose()?,
        before: before.transpose()?,
        limit: read_limit(query.limit.as_deref(), DEFAULT_PAGE, MAX_PAGE)?,
    })
}

pub(crate) fn read_limit(text: Option<&str>, default: u32, max: u32) -> Result<u32, ApiError> {
    match text.map(str::parse) {
        None => Ok(default),
        Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
        Some(_) => Err(invalid(&format!("limit must be a number from 1 to {max}."))),
    }
}

pub(crate) fn invalid(message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "parameter_invalid", message)
}

/// A job with the vendor's five keys first and ours behind them, and where its progress was found.
pub(crate) async fn describe(
    status: &Status,
    tenant: TenantId,
    job: &JobView,
    base: &str,
) -> Result<(Value, &'static str), ApiError> {
    let (view, source) = status.views.of(job).await?;
    let progress = Progress::of(job, &view);
    let counts = progress.counts;
    let first = if counts.failed > 0 && !job.reports_removed {
        let limit = u32::try_from(LISTED_REJECTIONS).unwrap_or(u32::MAX);
        status.deps.store.list_rejections(tenant, job.id, PageAfter { line: 0, limit }).await?
    } else {
        Vec::new()
    };
    let message = if job.reports_removed {
        error_message_without_rows(job.file_error.as_ref(), counts.failed)
    } else {
        error_message(job.file_error.as_ref(), &first, counts.failed)
    };
    let description = json!({
        "total_users": progress.total,
        "failed_users": counts.failed,
        "created_users": counts.created,
        "status": job.state.as_str(),
        "error_message": message,
        "id": job.id,
        "updated_users": counts.updated,
        "unchanged_users": counts.unchanged,
        "processed_users": counts.rows(),
        "warnings": counts.warnings,
        "blocked_users": counts.blocked,
        "unblocked_users": counts.unblocked,
        "missing_users_kept": job.missing_kept,
        "percent": progress.percent,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": progress.eta_seconds,
        "created_at": time(job.created_ms),
        "started_at": job.started_ms.and_then(time),
        "finished_at": job.finished_ms.and_then(time),
        "errors_url": format!("{base}/bulk/v1/files/{}/errors", job.id),
    });
    Ok((description, source))
}

/// RFC 3339 in UTC.
pub(crate) fn time(milliseconds: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(milliseconds).ok().map(|time| time.to_string())
}

/// The address before the path of a link.
pub(crate) fn base(status: &Status, headers: &HeaderMap) -> String {
    public_base(status.deps.public_url.as_deref(), headers)
}
