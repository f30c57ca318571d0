//! `multipart/form-data` with a file in the part named `file`. Other form fields are read past.
//!
//! multer reads ahead as long as its stream is ready, which for a body without a boundary means all of it. So it gets
//! one piece per poll, and only a few bytes before a part starts.

mod line_feeds;
mod part;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use multer::{Field, Multipart};
use muster_domain::Compression;

use super::body::BodyReader;
use super::context::UploadContext;
use super::error::UploadError;
use super::headers::UploadHeaders;
use super::intake::StoredFile;
use line_feeds::LineFeedEnvelope;

/// The maximum size of the boundaries and headers around a part. The piece that ends the headers may also hold the
/// start of the file, so the limit leaves room for one more piece.
const MAX_BYTES_AROUND_PART: usize = 128 * 1024;

/// The maximum number of form fields besides the file, and the maximum size of each.
const MAX_OTHER_FIELDS: usize = 32;
const MAX_OTHER_FIELD_BYTES: usize = 64 * 1024;

/// The maximum length of a boundary (RFC 2046).
const MAX_BOUNDARY_CHARACTERS: usize = 70;

/// The size of the pieces in which everything but the file is read. The parser takes one more piece at each step, whether it
/// needs it or not, so that larger ones would fill the memory at many small form fields.
const SMALL_PIECE_BYTES: usize = 1024;

/// Marks that a part other than the file is being read: its bytes are not counted.
const IN_PART: usize = usize::MAX;
/// Marks that the file is being read.
const IN_FILE: usize = usize::MAX - 1;

/// Stores the file of the part `file`.
pub(crate) async fn store_part(
    context: &UploadContext,
    headers: &UploadHeaders,
    body: &mut BodyReader,
) -> Result<StoredFile, UploadError> {
    let boundary = parse_boundary(&headers.content_type)?;
    let start = body.peek().await?;
    // Some clients declare the compression of the file as that of the body.
    let compression = if start.starts_with(b"--") { Compression::Identity } else { headers.compression };
    let _decoder = context.take_decoder_of(compression)?;
    let has_line_feeds = line_feeds::is_line_feed_envelope(start, &boundary);
    let around_part = Arc::new(AtomicUsize::new(0));
    let pieces = body.decompressed(compression);
    let pieces = if has_line_feeds { LineFeedEnvelope::new(pieces, &boundary).boxed() } else { pieces };
    let pieces = PacedPieces { pieces, rest: Bytes::new(), has_yielded: false, around_part: around_part.clone() };
    let mut parts = Parts { multipart: Multipart::new(pieces, boundary), around_part };
    let received = parts.read(context, compression != Compression::Identity).await;
    drop(parts);
    let (intake, received) = received?;
    let received = match received {
        Ok(()) => body.read_epilogue().await.and_then(|()| body.check_digests()),
        error => error,
    };
    intake.conclude(received).await
}

fn parse_boundary(content_type: &str) -> Result<String, UploadError> {
    // White space is allowed around the separators of parameters (RFC 9110), but multer does not accept it.
    let parameters: Vec<&str> = content_type.split(';').map(str::trim).collect();
    let boundary = multer::parse_boundary(parameters.join("; "))
        .map_err(|_| UploadError::Multipart("Content-Type has no boundary"))?;
    if (1..=MAX_BOUNDARY_CHARACTERS).contains(&boundary.len()) {
        Ok(boundary)
    } else {
        Err(UploadError::Multipart("its boundary must have 1 to 70 characters"))
    }
}

/// The parts of a body.
struct Parts<'a> {
    multipart: Multipart<'a>,
    /// The bytes since the last part, [`IN_PART`] or [`IN_FILE`].
    around_part: Arc<AtomicUsize>,
}

impl<'a> Parts<'a> {
    /// Reads all parts. Returns the file, which is to be concluded with the inner result.
    async fn read<'c>(
        &mut self,
        context: &'c UploadContext,
        packs: bool,
    ) -> Result<(part::FilePart<'c>, Result<(), UploadError>), UploadError> {
        let mut file = None;
        let mut others = Others::default();
        loop {
            let next = self.next().await;
            match next {
                Ok(Some(field)) if field.name() == Some("file") && file.is_none() => {
                    self.around_part.store(IN_FILE, Ordering::Relaxed);
                    let (part, received) = part::receive(context, field, packs).await?;
                    if received.is_err() {
                        return Ok((part, received));
                    }
                    file = Some(part);
                }
                Ok(Some(field)) if field.name() == Some("file") => {
                    return conclude_with(file, UploadError::PartUnexpected);
                }
                Ok(Some(field)) => {
                    if let Err(error) = others.read_past(field, file.is_some()).await {
                        return conclude_with(file, error);
                    }
                }
                Ok(None) if others.has_file && file.is_some() => {
                    return conclude_with(file, UploadError::PartUnexpected);
                }
                Ok(None) => return file.map(|file| (file, Ok(()))).ok_or(UploadError::PartMissing),
                Err(error) => return conclude_with(file, error),
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Field<'a>>, UploadError> {
        self.around_part.store(0, Ordering::Relaxed);
        let field = self.multipart.next_field().await.map_err(upload_error);
        self.around_part.store(IN_PART, Ordering::Relaxed);
        field
    }
}

/// Ends the reading of parts with an error, which aborts the file if there is one.
fn conclude_with<T>(file: Option<T>, error: UploadError) -> Result<(T, Result<(), UploadError>), UploadError> {
    match file {
        Some(file) => Ok((file, Err(error))),
        None => Err(error),
    }
}

/// The parts that are not the file.
#[derive(Default)]
struct Others {
    count: usize,
    /// Whether one of them has a file name.
    has_file: bool,
}

impl Others {
    /// Reads and discards a part.
    async fn read_past(&mut self, mut field: Field<'_>, has_file: bool) -> Result<(), UploadError> {
        self.count += 1;
        self.has_file |= field.file_name().is_some();
        if self.count > MAX_OTHER_FIELDS {
            return Err(UploadError::Multipart("it has more than 32 form fields besides the file"));
        }
        let mut bytes = 0;
        while let Some(chunk) = field.chunk().await.map_err(upload_error)? {
            bytes += chunk.len();
            if bytes > MAX_OTHER_FIELD_BYTES {
                return Err(match (field.file_name().is_some(), has_file) {
                    (true, true) => UploadError::PartUnexpected,
                    (true, false) => UploadError::PartMissing,
                    (false, _) => UploadError::Multipart("a form field besides the file is larger than 64 KiB"),
                });
            }
        }
        Ok(())
    }
}

/// Yields one piece per poll, and an error if there are too many bytes around the part.
struct PacedPieces<S> {
    pieces: S,
    /// The rest of a piece, of which only the start was yielded.
    rest: Bytes,
    /// Whether the last poll yielded a piece, so that the next one must be pending.
    has_yielded: bool,
    /// The bytes since the last part, [`IN_PART`] or [`IN_FILE`].
    around_part: Arc<AtomicUsize>,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for PacedPieces<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_yielded) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let rest = std::mem::take(&mut self.rest);
        let mut next = if rest.is_empty() { self.pieces.poll_next_unpin(context) } else { Poll::Ready(Some(Ok(rest))) };
        if let Poll::Ready(Some(Ok(piece))) = &mut next {
            self.has_yielded = true;
            let around = self.around_part.load(Ordering::Relaxed);
            if around != IN_FILE && piece.len() > SMALL_PIECE_BYTES {
                self.rest = piece.split_off(SMALL_PIECE_BYTES);
            }
            if !matches!(around, IN_PART | IN_FILE) {
                // Pieces after the last part count too: only the closing boundary belongs there.
                self.around_part.store(around + piece.len(), Ordering::Relaxed);
                if around + piece.len() > MAX_BYTES_AROUND_PART {
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
