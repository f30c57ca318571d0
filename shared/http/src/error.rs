//! Errors as clients see them.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_ports::{RawStoreError, StoreError};
use serde_json::json;

/// The form of an error's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"message": "…", "code": "…"}`.
    Message,
    /// `{"status": "Status: Failed. …", "code": "…"}`: an upload that was refused. The Spigit API
    /// describes `status` as a validation message.
    Upload,
    /// The form of the Collaborator API: `{"data": {"<subject>": "…"}}` for a request that cannot be read,
    /// otherwise `{"<name of the status>": "…"}`.
    Collaborator(Subject),
}

/// What the Collaborator API calls the content of a request as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
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

/// An error to be answered.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    shape: Shape,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error with a stable code and one sentence for the person who reads it.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), shape: Shape::Message, header: None }
    }

    /// An upload that is refused; the reason becomes part of `status`.
    pub fn upload(status: StatusCode, code: &'static str, reason: impl Into<String>) -> Self {
        Self { shape: Shape::Upload, ..Self::new(status, code, reason) }
    }

    /// The error in the form of a refused upload.
    #[must_use]
    pub fn as_upload(self) -> Self {
        Self { shape: Shape::Upload, ..self }
    }

    /// The error in the form of the Collaborator API.
    #[must_use]
    pub fn as_collaborator(self, subject: Subject) -> Self {
        Self { shape: Shape::Collaborator(subject), ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// No such file; also for the file of another tenant.
    pub fn file_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "job_not_found", "File not found.")
    }

    /// The caller asks for more at a time than it may.
    pub fn too_many(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// Something that is needed is not there for the moment.
    pub fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed; its log says why.")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "the database is not available");
            return Self::unavailable("database_unavailable", "The database is not available; try again.");
        }
        Self::internal(&error)
    }
}

impl From<RawStoreError> for ApiError {
    fn from(error: RawStoreError) -> Self {
        tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "the raw store is not available");
        match error {
            RawStoreError::Full(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "No space is left for uploads; try again later.",
            ),
            _ => Self::unavailable("storage_unavailable", "The upload store is not available; try again."),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = match self.shape {
            Shape::Message => json!({ "message": self.message, "code": self.code }),
            Shape::Collaborator(subject) if self.status == StatusCode::BAD_REQUEST => {
                json!({ "data": { subject.as_str(): self.message } })
            }
            Shape::Collaborator(_) => json!({ collaborator_key(self.status): self.message }),
            Shape::Upload => json!({ "status": format!("Status: Failed. {}", self.message), "code": self.code }),
        };
        let mut response = (self.status, [(header::CONTENT_TYPE, crate::JSON)], body.to_string()).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The one key of an error that is not about the request's content, as the vendor's other calls have it.
fn collaborator_key(status: StatusCode) -> &'static str {
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
