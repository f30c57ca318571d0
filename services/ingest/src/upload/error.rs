//! Why an upload is refused, with the status and the code of the response.

use std::io;

use axum::http::StatusCode;
use muster_domain::ExceededQuota;
use muster_domain::sniff::Refusal;
use muster_files::ArchiveError;
use muster_http::ApiError;
use muster_ports::{RawStoreError, StoreError};

use super::ratio::{RatioExceeded, is_ratio_exceeded};
use super::slots::LimitReached;

/// How much of an unexpected media type a message repeats.
const MAX_MEDIA_TYPE_CHARS: usize = 80;

/// Why an upload is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the body ended before it was complete")]
    Truncated,
    #[error("the body arrived too slowly")]
    Slow,
    #[error("the multipart body cannot be read: {0}")]
    Multipart(&'static str),
    #[error("there is no part named `file`; send the CSV as the part `file` of multipart/form-data")]
    PartMissing,
    #[error("there is more than one file; send one, as the part named `file`")]
    PartUnexpected,
    #[error("the header {0} was sent more than once")]
    HeaderRepeated(&'static str),
    #[error("Content-Type must be {expected}; it is {found}")]
    ContentType { expected: &'static str, found: String },
    #[error("Content-Type has characters other than ASCII")]
    ContentTypeUnreadable,
    #[error("Content-Type names a charset that is not known; use a name such as utf-8 or windows-1252")]
    Charset,
    #[error("Content-Encoding must be gzip, zstd or absent")]
    ContentEncoding,
    #[error(transparent)]
    Ratio(#[from] RatioExceeded),
    #[error("the {0} data is corrupt")]
    Compression(&'static str),
    #[error("the SHA-256 digest in {0} is malformed; expected 32 bytes in base64")]
    DigestInvalid(&'static str),
    #[error("the body does not match the SHA-256 digest in the header; send it again")]
    DigestMismatch,
    #[error("Idempotency-Key must be 1 to 255 printable ASCII characters without spaces")]
    KeyInvalid,
    #[error("this Idempotency-Key was sent with another file; use a new key for each file")]
    KeyReused,
    #[error("the body is a ZIP archive or a workbook, compressed once more as {0}; send it without that compression")]
    ArchiveCompressed(&'static str),
    #[error("the file is not a workbook, so that it has no sheet; send it without ?sheet=")]
    SheetUnexpected,
    #[error(transparent)]
    Archive(ArchiveError),
    #[error(transparent)]
    Busy(#[from] LimitReached),
    #[error(transparent)]
    Quota(#[from] ExceededQuota),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Storage(#[from] RawStoreError),
    #[error(transparent)]
    Database(#[from] StoreError),
}

impl UploadError {
    /// The error of a body of another media type than expected.
    pub(crate) fn content_type(expected: &'static str, media_type: &str) -> Self {
        let found = match media_type {
            "" => "absent".to_owned(),
            found => found.chars().filter(char::is_ascii_graphic).take(MAX_MEDIA_TYPE_CHARS).collect(),
        };
        Self::ContentType { expected, found }
    }

    /// Whether the server caused the error, not the client.
    pub(crate) fn is_server_error(&self) -> bool {
        matches!(self, Self::Storage(_) | Self::Database(_) | Self::Archive(ArchiveError::Interrupted))
    }

    /// The error of a body stream: an `UploadError` inside, or else an error of the decompression.
    pub(super) fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) if is_ratio_exceeded(&error) => Self::Ratio(RatioExceeded),
            Err(_) => Self::Compression("compressed"),
        }
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "file_too_large"),
            Self::Truncated => (bad, "body_truncated"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::Multipart(_) => (bad, "multipart_malformed"),
            Self::PartMissing => (bad, "file_part_missing"),
            Self::PartUnexpected => (bad, "multipart_part_unexpected"),
            Self::HeaderRepeated(_) => (bad, "header_repeated"),
            Self::ContentType { .. } | Self::ContentTypeUnreadable => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported")
            }
            Self::Charset => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "charset_unsupported"),
            Self::ContentEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported"),
            Self::Ratio(_) | Self::Archive(ArchiveError::Ratio) => (StatusCode::PAYLOAD_TOO_LARGE, "compression_ratio"),
            Self::Compression(_) => (bad, "compression_invalid"),
            Self::DigestInvalid(_) => (bad, "digest_invalid"),
            Self::DigestMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "digest_mismatch"),
            Self::KeyInvalid => (bad, "idempotency_key_invalid"),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Self::ArchiveCompressed(_) => (bad, "archive_invalid"),
            Self::SheetUnexpected => (bad, "sheet_unknown"),
            Self::Storage(_) | Self::Archive(ArchiveError::Interrupted) => {
                (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
            }
            Self::Archive(error) => (bad, error.code()),
            Self::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "uploads_in_flight"),
            Self::Quota(_) => (StatusCode::TOO_MANY_REQUESTS, "quota_exceeded"),
            Self::Refused(refusal) => (bad, refusal.code()),
            Self::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
        }
    }
}

/// An error of the raw store is one, wherever it occurs.
impl From<ArchiveError> for UploadError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Storage(error) => Self::Storage(error),
            error => Self::Archive(error),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let (status, code) = error.status_and_code();
        match error {
            UploadError::Storage(error) => error.into(),
            UploadError::Database(error) => error.into(),
            UploadError::Busy(limit) => limit.into(),
            UploadError::Quota(quota) => Self::too_many(code, &format!("{}.", capitalize(&quota.to_string()))),
            error => Self::new(status, code, format!("{}.", capitalize(&error.to_string()))),
        }
    }
}

fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
