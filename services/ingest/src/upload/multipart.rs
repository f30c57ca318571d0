//! `multipart/form-data` with one part named `file`.
//!
//! multer reads ahead as long as its stream is ready, which for a body without a boundary means all
//! of it. So it is fed one frame a poll, and little before the part begins.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, stream};
use multer::Multipart;
use muster_domain::{Dialect, Format};
use tokio_util::io::{ReaderStream, StreamReader};

use super::body::Frames;
use super::headers::{Claims, is_utf8};
use super::intake::{Intake, Stored};
use super::{Encoding, Upload, UploadError, decompress};

/// Bytes around the part at most: boundaries and headers. A piece that holds the end of the headers
/// may hold the begin of the file too, so there is room for one piece more.
const AROUND_PART_BYTES: usize = 128 * 1024;

/// Characters of a boundary at most (RFC 2046).
const BOUNDARY_LENGTH: usize = 70;

/// Receives the one part.
pub(crate) async fn receive(upload: &Upload, claims: &Claims, frames: &mut Frames) -> Result<Stored, UploadError> {
    let boundary = multer::parse_boundary(&claims.content_type)
        .map_err(|_| UploadError::Multipart("Content-Type has no boundary"))?;
    if !(1..=BOUNDARY_LENGTH).contains(&boundary.len()) {
        return Err(UploadError::Multipart("its boundary must have 1 to 70 characters"));
    }
    let in_part = Arc::new(AtomicBool::new(false));
    let envelope = decoded(claims.encoding, pieces(frames));
    let mut parts =
        Multipart::new(Fed { inner: envelope, handed_out: false, around_part: 0, in_part: in_part.clone() }, boundary);
    let mut intake = Intake::new(upload, Format::Csv, Encoding::Identity);
    let mut read = read_part(upload, &mut parts, &mut intake, &in_part).await;
    drop(parts);
    if read.is_ok() {
        read = frames.read_epilogue().await.and_then(|()| frames.check_digests());
    }
    intake.conclude(read).await
}

async fn read_part(
    upload: &Upload,
    parts: &mut Multipart<'_>,
    intake: &mut Intake<'_>,
    in_part: &AtomicBool,
) -> Result<(), UploadError> {
    let mut part = parts.next_field().await.map_err(explain)?.ok_or(UploadError::PartMissing)?;
    if part.name() != Some("file") {
        return Err(UploadError::PartMissing);
    }
    if let Some(kind) = part.content_type() {
        if kind.type_() == "multipart" {
            return Err(UploadError::Multipart("a part may not be a multipart body itself"));
        }
        // The other API has files of several charsets, and clients that name a wrong one.
        let names_other = kind.get_param("charset").is_some_and(|charset| !is_utf8(charset.as_str()));
        if names_other && upload.dialect == Dialect::Spigit {
            return Err(UploadError::Charset);
        }
    }
    in_part.store(true, Ordering::Relaxed);
    while let Some(piece) = part.chunk().await.map_err(explain)? {
        intake.push(piece).await?;
    }
    drop(part);
    in_part.store(false, Ordering::Relaxed);
    match parts.next_field().await.map_err(explain)? {
        None => Ok(()),
        Some(_) => Err(UploadError::PartUnexpected),
    }
}

/// The body as a stream of bytes.
pub(super) fn pieces(frames: &mut Frames) -> BoxStream<'_, io::Result<Bytes>> {
    stream::unfold(frames, |frames| async {
        let piece = frames.next().await.map_err(io::Error::other).transpose()?;
        Some((piece, frames))
    })
    .boxed()
}

/// The envelope, decompressed.
pub(super) fn decoded(
    encoding: Encoding,
    pieces: BoxStream<'_, io::Result<Bytes>>,
) -> BoxStream<'_, io::Result<Bytes>> {
    match encoding {
        Encoding::Identity => pieces,
        packed => ReaderStream::with_capacity(decompress(packed, StreamReader::new(pieces)), 32 * 1024).boxed(),
    }
}

/// Hands out one piece a poll, and an error when the part does not begin.
struct Fed<S> {
    inner: S,
    handed_out: bool,
    around_part: usize,
    in_part: Arc<AtomicBool>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Fed<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.handed_out) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.inner.poll_next_unpin(context);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            self.handed_out = true;
            if !self.in_part.load(Ordering::Relaxed) {
                // Pieces behind the part count too: nothing but the closing boundary belongs there.
                self.around_part += piece.len();
                if self.around_part > AROUND_PART_BYTES {
                    return Poll::Ready(Some(Err(io::Error::other(UploadError::PartMissing))));
                }
            }
        }
        next
    }
}

/// Translates multer's errors; ours come back from inside of them.
fn explain(error: multer::Error) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<io::Error>() {
            Ok(error) => inner(*error),
            Err(_) => UploadError::Truncated,
        },
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => UploadError::Multipart("it ends before its closing boundary"),
        _ => UploadError::Multipart("its boundary or its part headers are malformed"),
    }
}

pub(super) fn inner(error: io::Error) -> UploadError {
    match error.downcast::<UploadError>() {
        Ok(error) => error,
        Err(_) => UploadError::Compression("compressed"),
    }
}
