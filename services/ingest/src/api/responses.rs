//! Responses that both APIs send.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_http::{ApiError, JSON};
use serde_json::Value;

pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], Json(body)).into_response()
}

/// The error of an upload that the shutdown interrupts.
pub(crate) fn stopping() -> ApiError {
    ApiError::unavailable("stopping", "The service is stopping; try again.")
}
