//! Errors in the shapes of the Collaborator API.

use axum::http::StatusCode;
use axum::response::Response;
use muster_http::ApiError;
use serde_json::{Map, Value, json};

use crate::api::responses::json_response;
use crate::upload::error::UploadError;

/// The key of an error about the whole content of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A CSV file.
    File,
    /// JSON.
    Body,
}

impl Subject {
    const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Body => "body",
        }
    }
}

/// Why a call does not become a job.
pub(super) enum ImportError {
    /// The object of `/single` lacks required values: a message for each key.
    Values(Map<String, Value>),
    /// The upload was refused.
    Upload(UploadError),
}

impl From<UploadError> for ImportError {
    fn from(error: UploadError) -> Self {
        Self::Upload(error)
    }
}

/// `{"data": {"<key>": "<message>"}}` with status 400.
pub(super) fn values_response(values: &Value) -> Response {
    json_response(StatusCode::BAD_REQUEST, &json!({ "data": values }))
}

/// `{"data": {"<subject>": "<message>"}}` for status 400, and `{"<name of the status>": "<message>"}` for the others.
pub(super) fn error_response(error: ApiError, subject: Subject) -> Response {
    error.into_response_with(|status, _, message| {
        if status == StatusCode::BAD_REQUEST {
            json!({ "data": { subject.as_str(): message } })
        } else {
            json!({ status_key(status): message })
        }
    })
}

/// The name of a status, as the vendor's other calls spell it.
fn status_key(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::UNPROCESSABLE_ENTITY => "unprocessable",
        StatusCode::TOO_MANY_REQUESTS => "too_many_requests",
        StatusCode::SERVICE_UNAVAILABLE => "service_unavailable",
        StatusCode::INSUFFICIENT_STORAGE => "insufficient_storage",
        _ => "internal_error",
    }
}
