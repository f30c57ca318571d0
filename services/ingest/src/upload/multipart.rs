//! `multipart/form-data` with one part named `file`.
//!
//! multer reads ahead as long as its stream is ready, which for a body without a boundary means all of it. So it gets
//! one piece per poll, and only a few bytes before the part starts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use multer::Multipart;
use muster_domain::Format;

use super::body::BodyReader;
use super::context::UploadContext;
use super::error::UploadError;
use super::headers::{UploadHeaders, is_utf8};
use super::intake::{Intake, StoredFile};
use muster_domain::Compression;

/// The maximum size of the boundaries and headers around the part. The piece that ends the headers may also hold the
/// start of the file, so the limit leaves room for one more piece.
const MAX_BYTES_AROUND_PART: usize = 128 * 1024;

/// The maximum length of a boundary (RFC 2046).
const MAX_BOUNDARY_CHARACTERS: usize = 70;

/// Stores the file of the one part.
pub(crate) async fn store_part(
    context: &UploadContext,
    headers: &UploadHeaders,
    body: &mut BodyReader,
) -> Result<StoredFile, UploadError> {
    let boundary = multer::parse_boundary(&headers.content_type)
        .map_err(|_| UploadError::Multipart("Content-Type has no boundary"))?;
    if !(1..=MAX_BOUNDARY_CHARACTERS).contains(&boundary.len()) {
        return Err(UploadError::Multipart("its boundary must have 1 to 70 characters"));
    }
    let in_part = Arc::new(AtomicBool::new(false));
    let pieces = PacedPieces {
        pieces: body.decompressed(headers.compression),
        has_yielded: false,
        bytes_around_part: 0,
        in_part: in_part.clone(),
    };
    let mut parts = Multipart::new(pieces, boundary);
    let mut intake =
        Intake::new(context, Format::Csv, Compression::Identity, headers.compression != Compression::Identity);
    let mut received = read_part(context, &mut parts, &mut intake, &in_part).await;
    drop(parts);
    if received.is_ok() {
        received = body.read_epilogue().await.and_then(|()| body.check_digests());
    }
    intake.conclude(received).await
}

async fn read_part(
    context: &UploadContext,
    parts: &mut Multipart<'_>,
    intake: &mut Intake<'_>,
    in_part: &AtomicBool,
) -> Result<(), UploadError> {
    let mut part = parts.next_field().await.map_err(upload_error)?.ok_or(UploadError::PartMissing)?;
    if part.name() != Some("file") {
        return Err(UploadError::PartMissing);
    }
    if let Some(kind) = part.content_type() {
        if kind.type_() == "multipart" {
            return Err(UploadError::Multipart("a part may not be a multipart body itself"));
        }
        let declares_other = kind.get_param("charset").is_some_and(|charset| !is_utf8(charset.as_str()));
        if declares_other && context.rules().requires_utf8 {
            return Err(UploadError::Charset);
        }
    }
    in_part.store(true, Ordering::Relaxed);
    while let Some(piece) = part.chunk().await.map_err(upload_error)? {
        intake.push(piece).await?;
    }
    drop(part);
    in_part.store(false, Ordering::Relaxed);
    match parts.next_field().await.map_err(upload_error)? {
        None => Ok(()),
        Some(_) => Err(UploadError::PartUnexpected),
    }
}

/// Yields one piece per poll, and an error if there are too many bytes around the part.
struct PacedPieces<S> {
    pieces: S,
    /// Whether the last poll yielded a piece, so that the next one must be pending.
    has_yielded: bool,
    bytes_around_part: usize,
    in_part: Arc<AtomicBool>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for PacedPieces<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_yielded) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.pieces.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            self.has_yielded = true;
            if !self.in_part.load(Ordering::Relaxed) {
                // Pieces after the part count too: only the closing boundary belongs there.
                self.bytes_around_part += piece.len();
                if self.bytes_around_part > MAX_BYTES_AROUND_PART {
                    return Poll::Ready(Some(Err(io::Error::other(UploadError::PartMissing))));
                }
            }
        }
        next
    }
}

/// Translates an error of multer. An error of the stream is the I/O error inside.
fn upload_error(error: multer::Error) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<io::Error>() {
            Ok(error) => UploadError::from_io(*error),
            Err(_) => UploadError::Truncated,
        },
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => UploadError::Multipart("it ends before its closing boundary"),
        _ => UploadError::Multipart("its boundary or its part headers are malformed"),
    }
}
