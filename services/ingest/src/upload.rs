//! Takes one upload: body, head, raw store, job row.

mod body;
mod error;
mod head;
pub(crate) mod headers;
mod intake;
mod multipart;
mod watch;

use std::pin::Pin;
use std::sync::Arc;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;

use futures_util::StreamExt;
use muster_domain::{Dialect, Format, Handling, TenantId};
use muster_ports::{Creation, CutRules, Idempotency, NewJob, RawStore, Store};
use muster_runtime::failpoint;
use muster_telemetry::Counter;
use tokio::io::{AsyncBufRead, AsyncRead};

pub(crate) use body::Frames;
pub(crate) use error::UploadError;
pub(crate) use head::decode as decode_head;
use headers::Claims;
use intake::{Intake, Stored};

/// What an upload is taken with.
pub(crate) struct Upload {
    pub(crate) tenant: TenantId,
    pub(crate) dialect: Dialect,
    pub(crate) handling: Handling,
    pub(crate) blocks_missing: bool,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) raw: Arc<dyn RawStore>,
    pub(crate) max_bytes: u64,
    pub(crate) cut: CutRules,
    /// Counts the bytes that are stored.
    pub(crate) bytes: Counter,
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
    claims: &Claims,
    frames: &mut Frames,
) -> Result<Creation, UploadError> {
    let stored = receive_body(upload, claims, frames).await?;
    accept(upload, jobs, stored).await
}

/// Accepts a stored upload as a job.
pub(crate) async fn accept(upload: &Upload, jobs: &dyn Store, stored: Stored) -> Result<Creation, UploadError> {
    let raw_key = stored.raw.key.clone();
    let job = NewJob {
        tenant: upload.tenant,
        dialect: upload.dialect,
        handling: upload.handling,
        raw: stored.raw,
        titles: stored.titles,
        cut: upload.cut,
        blocks_missing: upload.blocks_missing,
        idempotency: upload.idempotency.clone(),
    };
    upload.bytes.add(job.raw.bytes, &[]);
    failpoint!("upload_stored");
    // If this fails, whether the row was committed may be unknown: the stored file stays.
    let creation = jobs.create_job(job).await?;
    if !matches!(creation, Creation::New(_))
        && let Err(error) = upload.raw.delete(&raw_key).await
    {
        tracing::warn!(%error, "an upload that was not needed could not be removed; it will be swept");
    }
    Ok(creation)
}

/// Receives a body to its end and stores it, or keeps nothing of it.
pub(crate) async fn receive_body(upload: &Upload, claims: &Claims, frames: &mut Frames) -> Result<Stored, UploadError> {
    // A multipart envelope is a little larger than its file.
    if claims.bytes.is_some_and(|bytes| bytes > upload.max_bytes.saturating_add(64 * 1024)) {
        return Err(UploadError::TooLarge(upload.max_bytes));
    }
    if upload.dialect == Dialect::Collaborator {
        return receive_collaborator(upload, claims, frames).await;
    }
    match claims.media_type.as_str() {
        "multipart/form-data" => multipart::receive(upload, claims, frames).await,
        "text/csv" | "application/csv" if claims.names_other_charset() => Err(UploadError::Charset),
        "text/csv" | "application/csv" => {
            receive_raw(Intake::new(upload, Format::Csv, claims.encoding), Encoding::Identity, frames).await
        }
        _ => Err(UploadError::ContentType),
    }
}

async fn receive_collaborator(upload: &Upload, claims: &Claims, frames: &mut Frames) -> Result<Stored, UploadError> {
    let format = match claims.media_type.as_str() {
        "multipart/form-data" => return multipart::receive(upload, claims, frames).await,
        "text/csv" | "application/csv" => Format::Csv,
        "application/json" => Format::Json,
        _ => return Err(UploadError::ContentTypeCollaborator),
    };
    // Decompressed on the way: the whole text is looked at before it is accepted.
    receive_raw(Intake::new(upload, format, Encoding::Identity), claims.encoding, frames).await
}

/// Receives a body that is the file itself. It is stored in the encoding of the intake; what is undone on
/// the way is `packed`.
async fn receive_raw(mut intake: Intake<'_>, packed: Encoding, frames: &mut Frames) -> Result<Stored, UploadError> {
    let mut pieces = unpacked(packed, frames);
    let mut received = Ok(());
    while let (Ok(()), Some(piece)) = (&received, pieces.next().await) {
        received = match piece {
            Ok(piece) => intake.push(piece).await,
            Err(error) => Err(error),
        };
    }
    drop(pieces);
    intake.conclude(received.and_then(|()| frames.check_digests())).await
}

/// The pieces of a body, decompressed.
pub(crate) fn unpacked(
    encoding: Encoding,
    frames: &mut Frames,
) -> impl futures_util::Stream<Item = Result<bytes::Bytes, UploadError>> + Unpin {
    multipart::decoded(encoding, multipart::pieces(frames)).map(|piece| piece.map_err(multipart::inner))
}

/// Stores an object that was read already, as an upload of one user.
pub(crate) async fn receive_object(upload: &Upload, object: bytes::Bytes) -> Result<Stored, UploadError> {
    let mut intake = Intake::new(upload, Format::Json, Encoding::Identity);
    let received = intake.push(object).await;
    intake.conclude(received).await
}
