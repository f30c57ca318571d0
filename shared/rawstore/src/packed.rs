//! Packed uploads: compressed with zstd by the store, whatever their content is.

use std::io;

use async_compression::Level;
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::tokio::write::ZstdEncoder;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use muster_ports::{PACKED_KEY_SUFFIX, RawReader, RawStoreError, RawUpload};
use tokio::io::AsyncWriteExt;
use tokio_util::io::{ReaderStream, StreamReader};

/// How much is unpacked at a time.
const CHUNK_BYTES: usize = 256 * 1024;

pub(crate) fn is_packed(key: &str) -> bool {
    key.ends_with(PACKED_KEY_SUFFIX)
}

/// Packs what is written to another upload.
pub(crate) struct PackedUpload {
    upload: Box<dyn RawUpload>,
    encoder: ZstdEncoder<Vec<u8>>,
}

impl PackedUpload {
    pub(crate) fn new(upload: Box<dyn RawUpload>) -> Self {
        Self { upload, encoder: ZstdEncoder::with_quality(Vec::new(), Level::Fastest) }
    }

    /// Passes on what the encoder has returned so far.
    async fn pass_on(&mut self) -> Result<(), RawStoreError> {
        let packed = std::mem::take(self.encoder.get_mut());
        if packed.is_empty() { Ok(()) } else { self.upload.write(packed.into()).await }
    }
}

#[async_trait]
impl RawUpload for PackedUpload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), RawStoreError> {
        self.encoder.write_all(&chunk).await.map_err(encoder_error)?;
        self.pass_on().await
    }

    async fn finish(mut self: Box<Self>) -> Result<(), RawStoreError> {
        self.encoder.shutdown().await.map_err(encoder_error)?;
        self.pass_on().await?;
        self.upload.finish().await
    }

    async fn abort(self: Box<Self>) {
        self.upload.abort().await;
    }
}

fn encoder_error(error: io::Error) -> RawStoreError {
    RawStoreError::Unavailable(error.into())
}

/// Unpacks an upload, which must have the given size when it is unpacked.
pub(crate) fn unpack(packed: RawReader, bytes: u64) -> RawReader {
    let decoder = ZstdDecoder::new(StreamReader::new(packed.map_err(io::Error::other)));
    let chunks = ReaderStream::with_capacity(decoder, CHUNK_BYTES);
    let state = (chunks, 0);
    let checked = stream::try_unfold(state, move |(mut chunks, before)| async move {
        match chunks.try_next().await.map_err(decoder_error)? {
            Some(chunk) if before + chunk.len() as u64 <= bytes => {
                let after = before + chunk.len() as u64;
                Ok(Some((chunk, (chunks, after))))
            }
            None if before == bytes => Ok(None),
            _ => Err(RawStoreError::Changed),
        }
    });
    checked.boxed()
}

/// An error of the packed upload, or of the decoder: then it is not what was written.
fn decoder_error(error: io::Error) -> RawStoreError {
    error.downcast::<RawStoreError>().unwrap_or(RawStoreError::Changed)
}
