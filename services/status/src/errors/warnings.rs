//! `GET /bulk/v1/files/{id}/errors?kind=warning`: a page of the warnings that were kept.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use muster_domain::TenantId;
use muster_http::{ApiError, JSON};
use muster_ports::{JobView, WarningPage};
use serde_json::json;

use super::{DEFAULT_PAGE_ROWS, ErrorsQuery, MAX_PAGE_ROWS};
use crate::Status;
use crate::files::{invalid, read_limit};

/// Lists the kept warnings of a job, in the order of lines and columns. `after` is a line, or a line and a column as in
/// `next`: a line may have several warnings.
pub(super) async fn list(
    status: &Status,
    tenant: TenantId,
    job: &JobView,
    query: &ErrorsQuery,
    base: &str,
) -> Result<Response, ApiError> {
    let limit = read_limit(query.limit.as_deref(), DEFAULT_PAGE_ROWS, MAX_PAGE_ROWS)?;
    let (after_line, after_column) = read_position(query.after.as_deref())?;
    let page = WarningPage { after_line, after_column, limit };
    let warnings = status.store.list_warnings(tenant, job.id, page).await?;
    let is_full = warnings.len() == limit as usize;
    let next = warnings.last().filter(|_| is_full).map(|last| {
        let column: String = url::form_urlencoded::byte_serialize(last.column.as_bytes()).collect();
        format!("{base}/bulk/v1/files/{}/errors?kind=warning&after={}:{column}&limit={limit}", job.id, last.line)
    });
    let body = json!({ "warnings": warnings, "next": next });
    Ok(([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response())
}

/// Parses `LINE` or `LINE:COLUMN`. A line alone stands for all of its columns.
fn read_position(after: Option<&str>) -> Result<(u64, String), ApiError> {
    let Some(after) = after else { return Ok((0, String::new())) };
    let (line, column) = after.split_once(':').map_or((after, None), |(line, column)| (line, Some(column)));
    let line: u64 = line.parse().map_err(|_| invalid("after must be a line number."))?;
    // No line has a greater number than the database can store.
    let line = line.min(i64::MAX as u64);
    Ok(match column {
        Some(column) => (line, column.to_owned()),
        None => (line, LAST_COLUMN.to_owned()),
    })
}

/// A title that is after every other one: titles have no noncharacters.
const LAST_COLUMN: &str = "\u{10ffff}";
