//! The answer of a call whose job is final.

use axum::http::StatusCode;
use axum::response::Response;
use muster_domain::job::LISTED_REJECTIONS;
use muster_domain::{Counts, Format, JobState, Rejection, TenantId};
use muster_http::ApiError;
use muster_ports::{JobView, PageAfter, Store};
use serde_json::{Map, Value, json};

use super::Call;
use crate::http::answer;

/// The answer: the four counts, and what failed; 400 if no row was good.
pub(super) async fn of(
    store: &dyn Store,
    tenant: TenantId,
    call: Call,
    format: Format,
    job: &JobView,
) -> Result<Response, ApiError> {
    let counts = job.final_counts.unwrap_or_default();
    if job.state == JobState::Canceled {
        let message = "The import was canceled; what had been applied until then stays.";
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", message));
    }
    if let Some(error) = &job.file_error {
        let subject = if format == Format::Csv { "file" } else { "body" };
        let mut body = four_counts(&counts);
        body["data"] = json!({ subject: error.sentence() });
        return Ok(answer(StatusCode::BAD_REQUEST, &body));
    }
    if counts.rows() == 0 {
        return Ok(refused(&json!({ "file": "there are no users in it" })));
    }
    let failed = if counts.failed > 0 {
        let limit = u32::try_from(LISTED_REJECTIONS).unwrap_or(u32::MAX);
        store.list_rejections(tenant, job.id, PageAfter { line: 0, limit }).await?
    } else {
        Vec::new()
    };
    if counts.failed == counts.rows() {
        let data: Map<String, Value> =
            failed.iter().map(|rejection| (key(call, rejection), message(format, rejection).into())).collect();
        return Ok(refused(&data.into()));
    }
    Ok(answer(StatusCode::OK, &imported(format, &counts, &failed, job.missing_kept)))
}

fn refused(data: &Value) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({ "data": data }))
}

fn four_counts(counts: &Counts) -> Value {
    json!({
        "created_count": counts.created,
        "updated_count": counts.updated,
        "blocked_count": counts.blocked,
        "unblocked_count": counts.unblocked,
    })
}

fn imported(format: Format, counts: &Counts, failed: &[Rejection], missing_kept: Option<u64>) -> Value {
    let mut body = four_counts(counts);
    if counts.failed > 0 {
        body["failed_count"] = counts.failed.into();
        body["errors"] = failed.iter().map(|rejection| describe(format, rejection)).collect();
    }
    if let Some(kept) = missing_kept {
        body["missing_users"] = format!(
            "{kept} users are missing from the file, more than the guard of this tenant allows; none of them was blocked"
        )
        .into();
    }
    body
}

fn describe(format: Format, rejection: &Rejection) -> Value {
    let mut error = json!({
        "row": rejection.row,
        "field": rejection.column,
        "code": rejection.code.as_str(),
        "message": rejection.message,
    });
    if format == Format::Csv {
        error["line"] = rejection.line.into();
    }
    error
}

/// `<row>.<field>`, as far as they are known.
fn key(call: Call, rejection: &Rejection) -> String {
    let field = rejection.column.as_deref();
    match call {
        Call::Single => field.unwrap_or("body").to_owned(),
        Call::Csv | Call::Batch => {
            format!("{}.{}", rejection.row.unwrap_or(rejection.line), field.unwrap_or("row"))
        }
    }
}

fn message(format: Format, rejection: &Rejection) -> String {
    match format {
        Format::Csv => rejection.sentence(),
        Format::Json => rejection.message.clone(),
    }
}
