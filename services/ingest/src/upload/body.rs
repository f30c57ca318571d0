//! The frames of a body, each within its time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::UploadError;

/// How long a client may pause.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes a second that a client must reach on average, once [`IDLE_DEADLINE`] has passed.
const MIN_BYTES_PER_SECOND: u64 = 10 * 1024;

/// Bytes behind the closing boundary of a multipart body at most.
const EPILOGUE_BYTES: u64 = 128 * 1024;

/// Reads a body frame by frame.
pub(crate) struct Frames {
    body: Body,
    started: Instant,
    bytes: u64,
    /// The hash so far, if it will be asked for.
    hash: Option<Sha256>,
    digests: Vec<[u8; 32]>,
}

impl Frames {
    /// `digests` is what the SHA-256 of the body is said to be.
    pub(crate) fn new(body: Body, digests: &[[u8; 32]]) -> Self {
        let hash = (!digests.is_empty()).then(Sha256::new);
        Self { body, started: Instant::now(), bytes: 0, hash, digests: digests.to_vec() }
    }

    /// The next piece of data; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UploadError> {
        loop {
            let frame = tokio::time::timeout(IDLE_DEADLINE, self.body.frame()).await.map_err(|_| UploadError::Slow)?;
            let Some(frame) = frame else { return Ok(None) };
            // Trailers are not data.
            let Ok(data) = frame.map_err(|_| UploadError::Truncated)?.into_data() else { continue };
            self.bytes += data.len() as u64;
            if let Some(hash) = &mut self.hash {
                hash.update(&data);
            }
            let elapsed = self.started.elapsed();
            if elapsed > IDLE_DEADLINE && self.bytes < elapsed.as_secs() * MIN_BYTES_PER_SECOND {
                return Err(UploadError::Slow);
            }
            return Ok(Some(data));
        }
    }

    /// Reads the rest of a body that is not wanted, within its time and up to so many bytes: some clients
    /// only read an answer when they have sent everything. `expected` is the length of the body, if it was
    /// said; a client that says more than the limit is not waited for.
    pub(crate) async fn drain(&mut self, limit: u64, expected: Option<u64>) {
        if expected.is_some_and(|bytes| bytes > limit) {
            return;
        }
        while self.bytes <= limit && matches!(self.next().await, Ok(Some(_))) {}
    }

    /// Reads what may stand behind the closing boundary of a multipart body, if the body as a whole
    /// is to be checked.
    pub(crate) async fn read_epilogue(&mut self) -> Result<(), UploadError> {
        let limit = self.bytes + EPILOGUE_BYTES;
        while self.hash.is_some() && self.next().await?.is_some() {
            if self.bytes > limit {
                return Err(UploadError::Multipart("too much stands behind its closing boundary"));
            }
        }
        Ok(())
    }

    /// Whether the body, which was read to its end, is the one that was meant.
    pub(crate) fn check_digests(&mut self) -> Result<(), UploadError> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        let found: [u8; 32] = hash.finalize().into();
        if self.digests.iter().all(|digest| *digest == found) { Ok(()) } else { Err(UploadError::DigestMismatch) }
    }
}
