//! Reads a request body, with timeouts, digests and decompression.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::io::{ReaderStream, StreamReader};

use super::compression::decompress;
use super::error::UploadError;
use muster_domain::Compression;

/// How long a client may pause.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The average rate that a client must reach once [`IDLE_TIMEOUT`] has passed.
const MIN_BYTES_PER_SECOND: u64 = 10 * 1024;

/// The maximum size of what may follow the closing boundary of a multipart body.
const MAX_EPILOGUE_BYTES: u64 = 128 * 1024;

/// The size of the pieces of a decompressed body.
const DECOMPRESSED_PIECE_BYTES: usize = 32 * 1024;

/// Reads a body frame by frame.
pub(crate) struct BodyReader {
    body: Body,
    started: Instant,
    bytes: u64,
    /// A piece that was read but not returned yet.
    peeked: Option<Bytes>,
    /// The hash so far; `None` if there is no digest to check.
    hash: Option<Sha256>,
    digests: Vec<[u8; 32]>,
}

impl BodyReader {
    /// `digests` are the SHA-256 values that the headers declare.
    pub(crate) fn new(body: Body, digests: &[[u8; 32]]) -> Self {
        let hash = (!digests.is_empty()).then(Sha256::new);
        Self { body, started: Instant::now(), bytes: 0, peeked: None, hash, digests: digests.to_vec() }
    }

    /// Returns the first piece of data, which stays to be read; empty if there is none.
    pub(super) async fn peek(&mut self) -> Result<&[u8], UploadError> {
        if self.peeked.is_none() {
            self.peeked = self.next().await?;
        }
        Ok(self.peeked.as_deref().unwrap_or_default())
    }

    /// Returns the next piece of data; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UploadError> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(Some(peeked));
        }
        loop {
            let frame = tokio::time::timeout(IDLE_TIMEOUT, self.body.frame()).await.map_err(|_| UploadError::Slow)?;
            let Some(frame) = frame else { return Ok(None) };
            // Trailers are not data.
            let Ok(data) = frame.map_err(|_| UploadError::Truncated)?.into_data() else { continue };
            self.bytes += data.len() as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(&data);
            }
            let elapsed = self.started.elapsed();
            if elapsed > IDLE_TIMEOUT && self.bytes < elapsed.as_secs() * MIN_BYTES_PER_SECOND {
                return Err(UploadError::Slow);
            }
            return Ok(Some(data));
        }
    }

    /// The rest of the body, decompressed. An [`UploadError`] is the inner error of an I/O error.
    pub(super) fn decompressed(&mut self, compression: Compression) -> BoxStream<'_, io::Result<Bytes>> {
        let pieces = stream::unfold(self, |body| async {
            let piece = body.next().await.map_err(io::Error::other).transpose()?;
            Some((piece, body))
        })
        .boxed();
        match compression {
            Compression::Identity | Compression::Zip => pieces,
            Compression::Gzip | Compression::Zstd => {
                let reader = decompress(compression, StreamReader::new(pieces));
                ReaderStream::with_capacity(reader, DECOMPRESSED_PIECE_BYTES).boxed()
            }
        }
    }

    /// The rest of the body, decompressed.
    pub(crate) fn decompressed_pieces(
        &mut self,
        compression: Compression,
    ) -> impl Stream<Item = Result<Bytes, UploadError>> + Unpin {
        self.decompressed(compression).map(|piece| piece.map_err(UploadError::from_io))
    }

    /// Reads and discards the rest of a refused body, within the timeouts and up to `limit` bytes of body: some clients
    /// read the response only after they have sent everything. Nothing is read if `content_length` exceeds the limit.
    pub(crate) async fn drain(&mut self, limit: u64, content_length: Option<u64>) {
        if content_length.is_some_and(|bytes| bytes > limit) {
            return;
        }
        while self.bytes <= limit && matches!(self.next().await, Ok(Some(_))) {}
    }

    /// Reads what follows the closing boundary of a multipart body, if the digest of the whole body is checked.
    pub(crate) async fn read_epilogue(&mut self) -> Result<(), UploadError> {
        let limit = self.bytes + MAX_EPILOGUE_BYTES;
        while self.hash.is_some() && self.next().await?.is_some() {
            if self.bytes > limit {
                return Err(UploadError::Multipart("too much data after its closing boundary"));
            }
        }
        Ok(())
    }

    /// Checks the digests of a body that was read to its end.
    pub(crate) fn check_digests(&mut self) -> Result<(), UploadError> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        let found: [u8; 32] = hash.finalize().into();
        if self.digests.iter().all(|digest| *digest == found) { Ok(()) } else { Err(UploadError::DigestMismatch) }
    }
}
