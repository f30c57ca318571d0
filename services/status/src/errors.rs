//! `GET /bulk/v1/files/{id}/errors`: a page of rejections as JSON, or the whole list as CSV.

mod warnings;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use muster_domain::{Rejection, TenantId};
use muster_http::{ApiError, Caller, IdPath, JSON};
use muster_ports::{JobView, Queries, RejectionPage, Scope, StoreError};
use serde::Deserialize;
use serde_json::json;

use crate::Status;
use crate::files::{base, invalid, read_limit};

pub(super) const DEFAULT_PAGE_ROWS: u32 = 1000;
pub(super) const MAX_PAGE_ROWS: u32 = 10_000;
const CSV: &str = "text/csv;charset=UTF-8";

/// The query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorsQuery {
    kind: Option<String>,
    pub(super) after: Option<String>,
    pub(super) limit: Option<String>,
}

/// `GET /bulk/v1/files/{id}/errors`: the rejections of a job in line order. Responds with 410 after retention has
/// removed them.
pub(crate) async fn list(
    State(status): State<Status>,
    caller: Caller,
    IdPath(id): IdPath,
    query: Result<Query<ErrorsQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let tenant = caller.tenant();
    let job = status.store.find_job(tenant, id).await?.ok_or_else(ApiError::file_not_found)?;
    if job.rejections_removed {
        let message = "The error list has expired and was removed; the counts remain.";
        return Err(ApiError::new(StatusCode::GONE, "errors_removed", message));
    }
    let Query(query) =
        query.map_err(|_| invalid("The query cannot be read: a parameter is unknown, repeated or malformed."))?;
    match query.kind.as_deref() {
        None | Some("error") if wants_csv(&headers) => return Ok(stream_csv(status.store.clone(), tenant, job)),
        None | Some("error") => {}
        Some("warning") => return warnings::list(&status, tenant, &job, &query, &base(&status, &headers)).await,
        Some(_) => return Err(invalid("kind must be error or warning.")),
    }
    let line = match query.after.as_deref().map(str::parse) {
        None => 0,
        // No line has a greater number than the database can store.
        Some(Ok(line)) => u64::min(line, i64::MAX as u64),
        Some(Err(_)) => return Err(invalid("after must be a line number.")),
    };
    let page = RejectionPage {
        after_line: line,
        limit: read_limit(query.limit.as_deref(), DEFAULT_PAGE_ROWS, MAX_PAGE_ROWS)?,
    };
    let mut rejections = status.store.list_rejections(tenant, id, page).await?;
    let full = append_file_error(&mut rejections, &job, page);
    let next = rejections.last().filter(|_| full).map(|last| {
        let base = base(&status, &headers);
        format!("{base}/bulk/v1/files/{id}/errors?after={}&limit={}", last.line, page.limit)
    });
    let body = json!({ "errors": rejections, "next": next });
    Ok(([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response())
}

/// Appends the error that ended the file early, if this page is the last one. Returns whether there may be more pages.
fn append_file_error(rejections: &mut Vec<Rejection>, job: &JobView, page: RejectionPage) -> bool {
    let full = rejections.len() == page.limit as usize;
    if !full {
        rejections.extend(job.file_error.clone().filter(|error| error.line > page.after_line));
    }
    full
}

fn wants_csv(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"))
}

/// Streams the whole list, page by page.
fn stream_csv(store: Arc<dyn Queries>, tenant: TenantId, job: JobView) -> Response {
    let disposition = format!("attachment; filename=\"errors-{}.csv\"", job.id);
    let job = Arc::new(job);
    let pages = stream::try_unfold(Some(0), move |after: Option<u64>| {
        let (store, job) = (store.clone(), job.clone());
        async move {
            let Some(line) = after else { return Ok::<_, StoreError>(None) };
            let after = RejectionPage { after_line: line, limit: DEFAULT_PAGE_ROWS };
            let mut page = store.list_rejections(tenant, job.id, after).await?;
            let full = append_file_error(&mut page, &job, after);
            let next = page.last().map(|last| last.line).filter(|_| full);
            Ok(Some((csv_page(&page, line == 0), next)))
        }
    });
    let headers = [(header::CONTENT_TYPE, CSV.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, Body::from_stream(pages)).into_response()
}

fn csv_page(page: &[Rejection], first: bool) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let titles = first.then(|| ["line", "row", "column", "code", "message"].map(str::to_owned));
    let rows = page.iter().map(|rejection| {
        [
            rejection.line.to_string(),
            rejection.row.map(|row| row.to_string()).unwrap_or_default(),
            escape_formula(rejection.column.as_deref().unwrap_or_default()),
            rejection.code.as_str().to_owned(),
            escape_formula(&rejection.message),
        ]
    });
    for record in titles.into_iter().chain(rows) {
        writer.write_record(&record).expect("writing to a vector does not fail");
    }
    writer.into_inner().expect("writing to a vector does not fail").into()
}

/// Prefixes cells that a spreadsheet would interpret as a formula (OWASP, "CSV Injection").
fn escape_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_domain::RejectionCode;

    #[test]
    fn titles_that_look_like_formulas_are_escaped() {
        let rejection = Rejection {
            line: 3,
            row: Some(2),
            other: None,
            column: Some("=cmd|' /C calc'!A0".to_owned()),
            code: RejectionCode::ValueTooLong,
            message: "=cmd|' /C calc'!A0 is longer than 4096 characters".to_owned(),
        };
        let page = csv_page(&[rejection], true);
        let text = std::str::from_utf8(&page).unwrap();
        assert_eq!(
            text,
            "line,row,column,code,message\n3,2,'=cmd|' /C calc'!A0,value_too_long,'=cmd|' /C calc'!A0 is longer than 4096 characters\n"
        );
    }
}
