//! Error responses.
//!
//! An [`ApiError`] knows no vendor's API. A service that must respond in another shape makes its own body with
//! [`ApiError::into_response_with`].

use std::error::Error;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_ports::{RawStoreError, StoreError};
use serde_json::{Value, json};

use crate::request::request_id;

/// An error response: `{"message": "…", "code": "…"}`.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// The cause of an internal error. Logged when the error becomes a response, so that the log line and the
    /// response carry the same request id even if several requests share the error.
    cause: Option<Arc<StoreError>>,
}

impl ApiError {
    /// An error with a stable code for programs and one sentence for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None, cause: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// The file does not exist, or belongs to another tenant.
    pub fn file_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "job_not_found", "File not found.")
    }

    /// The caller has reached a limit on concurrent requests.
    pub fn too_many(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// The service, or another that it depends on, is temporarily unavailable.
    pub fn unavailable(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("5"))
    }

    /// Returns the response with the body that `body` builds from the status, the code and the message.
    pub fn into_response_with(self, body: impl FnOnce(StatusCode, &'static str, &str) -> Value) -> Response {
        let mut message = self.message;
        if let Some(cause) = &self.cause {
            let error: &(dyn Error + 'static) = &**cause;
            tracing::error!(error, "request failed with an internal error");
            if let Some(id) = request_id() {
                message = format!("{message}; request id {id}");
            }
        }
        let body = body(self.status, self.code, &message);
        let mut response = (self.status, [(header::CONTENT_TYPE, crate::JSON)], body.to_string()).into_response();
        if let Some(extra) = self.header {
            let (name, value) = *extra;
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_response_with(|_, code, message| json!({ "message": message, "code": code }))
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(error = &error as &(dyn Error + 'static), "the database is unavailable");
            return Self::unavailable("database_unavailable", "The database is not available; try again.");
        }
        let internal = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal server error");
        Self { cause: Some(Arc::new(error)), ..internal }
    }
}

impl From<RawStoreError> for ApiError {
    fn from(error: RawStoreError) -> Self {
        tracing::warn!(error = &error as &(dyn Error + 'static), "the raw store is unavailable");
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
