//! Takes one upload: body, head, raw store, job row.

mod body;
mod head;
mod intake;
mod multipart;

use std::pin::Pin;
use std::sync::Arc;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use muster_domain::sniff::Refusal;
use muster_domain::{Dialect, Handling, TenantId};
use muster_http::{ApiError, drain};
use muster_ports::{CreatedJob, CutRules, NewJob, RawStore, RawStoreError, Store};
use muster_runtime::failpoint;

use tokio::io::{AsyncBufRead, AsyncRead};

pub(crate) use body::Frames;
pub(crate) use head::decode as decode_head;
use intake::{Intake, Stored};

/// What an upload is taken with.
pub(crate) struct Upload {
    pub(crate) tenant: TenantId,
    pub(crate) handling: Handling,
    pub(crate) raw: Arc<dyn RawStore>,
    pub(crate) max_bytes: u64,
    pub(crate) cut: CutRules,
}

/// Why an upload is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the body ended before it was complete")]
    Truncated,
    #[error("the body came too slowly")]
    Slow,
    #[error("the multipart body cannot be read: {0}")]
    Multipart(String),
    #[error("there is no part named `file`; send the CSV as the part `file` of multipart/form-data")]
    PartMissing,
    #[error("there is a part other than `file`; send exactly one part, named `file`")]
    PartUnexpected,
    #[error("Content-Type must be multipart/form-data with a part `file`, or text/csv")]
    ContentType,
    #[error("Content-Encoding must be gzip, zstd or absent")]
    ContentEncoding,
    #[error("the {0} data are damaged")]
    Compression(&'static str),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Storage(#[from] RawStoreError),
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        let (status, code) = match &error {
            UploadError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "file_too_large"),
            UploadError::Truncated => (StatusCode::BAD_REQUEST, "body_truncated"),
            UploadError::Slow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            UploadError::Multipart(_) => (StatusCode::BAD_REQUEST, "multipart_malformed"),
            UploadError::PartMissing => (StatusCode::BAD_REQUEST, "file_part_missing"),
            UploadError::PartUnexpected => (StatusCode::BAD_REQUEST, "multipart_part_unexpected"),
            UploadError::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported"),
            UploadError::ContentEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported"),
            UploadError::Compression(_) => (StatusCode::BAD_REQUEST, "compression_invalid"),
            UploadError::Refused(refusal) => (StatusCode::BAD_REQUEST, refusal.code()),
            UploadError::Storage(_) => {
                let UploadError::Storage(error) = error else { unreachable!("matched above") };
                return Self::from(error).as_upload();
            }
        };
        Self::upload(status, code, format!("{}.", capitalised(&error.to_string())))
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// zstd windows larger than 8 MiB are refused: each would be memory of this process.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Reads decompressed. All members of gzip and all frames of zstd are read.
pub(crate) fn decompress<'a>(
    encoding: Encoding,
    packed: impl AsyncBufRead + Send + 'a,
) -> Pin<Box<dyn AsyncRead + Send + 'a>> {
    match encoding {
        Encoding::Identity => Box::pin(packed),
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(packed);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::with_params(packed, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

/// Receives a body to its end and accepts it as a job, or keeps nothing of it.
pub(crate) async fn receive(
    upload: &Upload,
    jobs: &dyn Store,
    headers: &HeaderMap,
    body: Body,
) -> Result<CreatedJob, ApiError> {
    let mut frames = Frames::new(body);
    let stored = match receive_body(upload, headers, &mut frames).await {
        Ok(stored) => stored,
        Err(error) => {
            drain(frames.into_body()).await;
            return Err(error.into());
        }
    };
    let job = NewJob {
        tenant: upload.tenant,
        dialect: Dialect::Spigit,
        handling: upload.handling,
        raw: stored.raw,
        titles: stored.header.titles().to_vec(),
        cut: upload.cut,
    };
    failpoint!("upload_stored");
    // If this fails, whether the row was committed may be unknown: the stored file stays.
    jobs.create_job(job).await.map_err(|error| ApiError::from(error).as_upload())
}

/// Receives a body to its end and stores it, or keeps nothing of it.
pub(crate) async fn receive_body(
    upload: &Upload,
    headers: &HeaderMap,
    frames: &mut Frames,
) -> Result<Stored, UploadError> {
    let text = |name| headers.get(name).map_or(Ok(""), |value| value.to_str());
    let content_type = text(header::CONTENT_TYPE).map_err(|_| UploadError::ContentType)?;
    let encoding = text(header::CONTENT_ENCODING).map_err(|_| UploadError::ContentEncoding)?;
    let encoding = Encoding::parse(encoding).ok_or(UploadError::ContentEncoding)?;
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // A multipart envelope is a little larger than its file.
    if declared.is_some_and(|bytes| bytes > upload.max_bytes.saturating_add(64 * 1024)) {
        return Err(UploadError::TooLarge(upload.max_bytes));
    }
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media_type.as_str() {
        "multipart/form-data" => multipart::receive(upload, content_type, encoding, frames).await,
        "text/csv" | "application/csv" => receive_raw(upload, encoding, frames).await,
        _ => Err(UploadError::ContentType),
    }
}

async fn receive_raw(upload: &Upload, encoding: Encoding, frames: &mut Frames) -> Result<Stored, UploadError> {
    let mut intake = Intake::new(upload, encoding);
    loop {
        let step = match frames.next().await {
            Ok(Some(piece)) => intake.push(piece).await,
            Ok(None) => return intake.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            intake.abandon().await;
            return Err(error);
        }
    }
}
