//! The response to a call whose job is final.

use axum::http::StatusCode;
use axum::response::Response;
use muster_domain::job::MAX_LISTED_REJECTIONS;
use muster_domain::{Counts, Format, JobState, Rejection, TenantId};
use muster_http::ApiError;
use muster_ports::{JobView, RejectionPage, Store, UnknownName};
use serde_json::{Map, Value, json};

use super::calls::Call;
use super::errors::values_response;
use crate::api::responses::json_response;

/// Builds the response: the four counts and the first rejections, or 400 if no row was imported.
pub(super) async fn build_reply(
    store: &dyn Store,
    tenant: TenantId,
    call: Call,
    format: Format,
    job: &JobView,
) -> Result<Response, ApiError> {
    let counts = job.final_counts.unwrap_or_default();
    if job.state == JobState::Canceled {
        let message = "The import was canceled; rows that had been imported by then are kept.";
        return Err(ApiError::new(StatusCode::CONFLICT, "conflict", message));
    }
    if let Some(error) = &job.file_error {
        let subject = match format {
            Format::Csv | Format::Workbook => "file",
            Format::Json | Format::JsonLines => "body",
        };
        let mut body = four_counts(&counts);
        body["data"] = json!({ subject: error.sentence() });
        return Ok(json_response(StatusCode::BAD_REQUEST, &body));
    }
    if counts.rows() == 0 {
        return Ok(values_response(&json!({ "file": "there are no users in it" })));
    }
    let failed = if counts.failed > 0 {
        let limit = u32::try_from(MAX_LISTED_REJECTIONS).unwrap_or(u32::MAX);
        store.list_rejections(tenant, job.id, RejectionPage { after_line: 0, limit }).await?
    } else {
        Vec::new()
    };
    if counts.failed == counts.rows() {
        let data: Map<String, Value> = failed
            .iter()
            .map(|rejection| (rejection_key(call, rejection), message(format, rejection).into()))
            .collect();
        return Ok(values_response(&data.into()));
    }
    let mut body = success_body(format, &counts, &failed, job.missing_not_blocked);
    if !job.unknown_names.ignored.is_empty() {
        body["ignored"] = job.unknown_names.ignored.iter().map(describe_ignored).collect();
    }
    Ok(json_response(StatusCode::OK, &body))
}

fn four_counts(counts: &Counts) -> Value {
    json!({
        "created_count": counts.created,
        "updated_count": counts.updated,
        "blocked_count": counts.blocked,
        "unblocked_count": counts.unblocked,
    })
}

fn success_body(format: Format, counts: &Counts, failed: &[Rejection], missing_not_blocked: Option<u64>) -> Value {
    let mut body = four_counts(counts);
    if counts.failed > 0 {
        body["failed_count"] = counts.failed.into();
        body["errors"] = failed.iter().map(|rejection| describe(format, rejection)).collect();
    }
    if let Some(kept) = missing_not_blocked {
        body["missing_users"] = format!(
            "{kept} users are missing from the file, more than the guard of this tenant allows; none was blocked"
        )
        .into();
    }
    body
}

/// A key of the request that is none of the API's.
fn describe_ignored(key: &UnknownName) -> Value {
    json!({ "key": key.name, "did_you_mean": key.did_you_mean })
}

fn describe(format: Format, rejection: &Rejection) -> Value {
    let mut error = json!({
        "row": rejection.row,
        "field": rejection.column,
        "code": rejection.code.as_str(),
        "message": rejection.message,
    });
    if let Some(other) = &rejection.other {
        error["other"] = json!(other);
    }
    // Line numbers mean nothing in JSON.
    if format != Format::Json {
        error["line"] = rejection.line.into();
    }
    error
}

/// `<row>.<field>`; for `/single`, `<field>`.
fn rejection_key(call: Call, rejection: &Rejection) -> String {
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
        Format::Csv | Format::JsonLines | Format::Workbook => rejection.sentence(),
        Format::Json => format!("{}{}", rejection.message, rejection.describe_other()),
    }
}
