//! The frames of a body, each within its time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::UploadError;

/// How long a client may pause.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes a second that a client must reach on average, once [`IDLE_DEADLINE`] has passed.
const MIN_BYTES_PER_SECOND: u64 = 10 * 1024;

/// Reads a body frame by frame.
pub(crate) struct Frames {
    body: Body,
    started: Instant,
    bytes: u64,
}

impl Frames {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, started: Instant::now(), bytes: 0 }
    }

    /// The next piece of data; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UploadError> {
        loop {
            let frame = tokio::time::timeout(IDLE_DEADLINE, self.body.frame()).await.map_err(|_| UploadError::Slow)?;
            let Some(frame) = frame else { return Ok(None) };
            // Trailers are not data.
            let Ok(data) = frame.map_err(|_| UploadError::Truncated)?.into_data() else { continue };
            self.bytes += data.len() as u64;
            let elapsed = self.started.elapsed();
            if elapsed > IDLE_DEADLINE && self.bytes < elapsed.as_secs() * MIN_BYTES_PER_SECOND {
                return Err(UploadError::Slow);
            }
            return Ok(Some(data));
        }
    }

    /// What is left.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}
