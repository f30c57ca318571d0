//! The part with the file, which may be compressed itself.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use multer::Field;
use muster_domain::{Compression, Format};
use tokio_util::io::{ReaderStream, StreamReader};

use super::upload_error;
use crate::upload::compression::{compression_of, decompress};
use crate::upload::context::UploadContext;
use crate::upload::error::UploadError;
use crate::upload::headers::parse_charset;
use crate::upload::intake::{Intake, StoredFile};
use crate::upload::slots::Slot;

/// The size of the pieces of a decompressed part.
const DECOMPRESSED_PIECE_BYTES: usize = 32 * 1024;
/// How many bytes tell the compression of a file.
const MAGIC_BYTES: usize = 4;

/// The file of a part, received up to the end of the part.
pub(super) struct FilePart<'a> {
    intake: Intake<'a>,
    /// The slot of the decoder, until the file is concluded.
    _decoder: Option<Slot>,
}

impl FilePart<'_> {
    pub(super) async fn conclude(self, received: Result<(), UploadError>) -> Result<StoredFile, UploadError> {
        self.intake.conclude(received).await
    }
}

/// Receives a part. The file is to be concluded with the inner result. `packs` says that the body was compressed.
pub(super) async fn receive<'a>(
    context: &'a UploadContext,
    mut field: Field<'_>,
    packs: bool,
) -> Result<(FilePart<'a>, Result<(), UploadError>), UploadError> {
    let mut charset = None;
    if let Some(kind) = field.content_type() {
        if kind.type_() == "multipart" {
            return Err(UploadError::Multipart("a part may not be a multipart body itself"));
        }
        charset = kind.get_param("charset").map(|label| parse_charset(label.as_str())).transpose()?;
    }
    let start = read_start(&mut field).await?;
    let compression = compression_of(&start);
    // Decompressed, and packed by the store, if the whole text is inspected before the upload is accepted; otherwise
    // stored as it was sent.
    let is_decompressed = compression != Compression::Identity && context.rules().inspects_whole_text;
    let decoder = (is_decompressed && compression == Compression::Zstd).then(|| context.take_decoder()).transpose()?;
    let stored_as = if is_decompressed { Compression::Identity } else { compression };
    let mut intake = Intake::new(context, Format::Csv, stored_as, packs || is_decompressed);
    intake.declare_charset(charset);
    let raw = stream::iter([Ok(start)]).chain(chunks(field));
    let mut pieces: BoxStream<'_, io::Result<Bytes>> = if is_decompressed {
        ReaderStream::with_capacity(decompress(compression, StreamReader::new(raw.boxed())), DECOMPRESSED_PIECE_BYTES)
            .boxed()
    } else {
        raw.boxed()
    };
    let mut received = Ok(());
    while let (Ok(()), Some(piece)) = (&received, pieces.next().await) {
        received = match piece {
            Ok(piece) => intake.push(piece).await,
            Err(error) => Err(UploadError::from_io(error)),
        };
    }
    drop(pieces);
    Ok((FilePart { intake, _decoder: decoder }, received))
}

/// Reads the first bytes of a part, which tell its compression.
async fn read_start(field: &mut Field<'_>) -> Result<Bytes, UploadError> {
    let mut start = BytesMut::new();
    while start.len() < MAGIC_BYTES {
        let Some(chunk) = field.chunk().await.map_err(upload_error)? else { break };
        start.extend_from_slice(&chunk);
    }
    Ok(start.freeze())
}

fn chunks(field: Field<'_>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(field, |mut field| async {
        let chunk = field.chunk().await.map_err(|error| io::Error::other(upload_error(error))).transpose()?;
        Some((chunk, field))
    })
}
