//! `GET /bulk/v1/files/{id}/errors`: a page of JSON, or the whole list as CSV.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use muster_domain::{Rejection, TenantId};
use muster_http::{ApiError, Caller, IdPath, JSON};
use muster_ports::{JobView, PageAfter, Scope, Store, StoreError};
use serde::Deserialize;
use serde_json::json;

use crate::Status;
use crate::files::{base, invalid, read_limit};

const PAGE: u32 = 1000;
const MAX_PAGE: u32 = 10_000;
const CSV: &str = "text/csv;charset=UTF-8";

/// What may stand in the query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorsQuery {
    after: Option<String>,
    limit: Option<String>,
}

/// `GET /bulk/v1/files/{id}/errors`.
pub(crate) async fn list(
    State(status): State<Status>,
    caller: Caller,
    IdPath(id): IdPath,
    query: Result<Query<ErrorsQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    caller.require(Scope::ImportRead)?;
    let tenant = caller.tenant();
    let job = status.deps.store.find_job(tenant, id).await?.ok_or_else(ApiError::file_not_found)?;
    if job.reports_removed {
        let message = "The errors of this file were removed, as they are some time after its end. Its counts stay.";
        return Err(ApiError::new(StatusCode::GONE, "errors_removed", message));
    }
    if wants_csv(&headers) {
        return Ok(whole_csv(status.deps.store.clone(), tenant, job));
    }
    let Query(query) =
        query.map_err(|_| invalid("The query cannot be read: a parameter is unknown, repeated or malformed."))?;
    let line = match query.after.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(line)) => line,
        Some(Err(_)) => return Err(invalid("after must be a line number.")),
    };
    let page = PageAfter { line, limit: read_limit(query.limit.as_deref(), PAGE, MAX_PAGE)? };
    let mut rejections = status.deps.store.list_rejections(tenant, id, page).await?;
    let full = append_file_error(&mut rejections, &job, page);
    let next = rejections.last().filter(|_| full).map(|last| {
        let base = base(&status, &headers);
        format!("{base}/bulk/v1/files/{id}/errors?after={}&limit={}", last.line, page.limit)
    });
    let body = json!({ "errors": rejections, "next": next });
    Ok(([(header::CONTENT_TYPE, JSON)], body.to_string()).into_response())
}

/// What ended the file early comes behind the rows before it. Says whether there may be more pages.
fn append_file_error(rejections: &mut Vec<Rejection>, job: &JobView, page: PageAfter) -> bool {
    let full = rejections.len() == page.limit as usize;
    if !full {
        rejections.extend(job.file_error.clone().filter(|error| error.line > page.line));
    }
    full
}

fn wants_csv(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"))
}

/// The whole list, streamed page by page.
fn whole_csv(store: Arc<dyn Store>, tenant: TenantId, job: JobView) -> Response {
    let disposition = format!("attachment; filename=\"errors-{}.csv\"", job.id);
    let job = Arc::new(job);
    let pages = stream::try_unfold(Some(0), move |after: Option<u64>| {
        let (store, job) = (store.clone(), job.clone());
        async move {
            let Some(line) = after else { return Ok::<_, StoreError>(None) };
            let after = PageAfter { line, limit: PAGE };
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
    let titles = first.then(|| ["line", "column", "code", "message"].map(str::to_owned));
    let rows = page.iter().map(|rejection| {
        [
            rejection.line.to_string(),
            formula_safe(rejection.column.as_deref().unwrap_or_default()),
            rejection.code.as_str().to_owned(),
            formula_safe(&rejection.message),
        ]
    });
    for record in titles.into_iter().chain(rows) {
        writer.write_record(&record).expect("a vector takes every record");
    }
    writer.into_inner().expect("a vector takes every record").into()
}

/// A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV Injection").
fn formula_safe(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_domain::RejectionCode;

    #[test]
    fn titles_that_look_like_formulas_are_made_harmless() {
        let rejection = Rejection {
            line: 3,
            row: None,
            column: Some("=cmd|' /C calc'!A0".to_owned()),
            code: RejectionCode::ValueTooLong,
            message: "=cmd|' /C calc'!A0 is longer than 4096 characters".to_owned(),
        };
        let page = csv_page(&[rejection], true);
        let text = std::str::from_utf8(&page).unwrap();
        assert_eq!(
            text,
            "line,column,code,message\n3,'=cmd|' /C calc'!A0,value_too_long,'=cmd|' /C calc'!A0 is longer than 4096 characters\n"
        );
    }
}
