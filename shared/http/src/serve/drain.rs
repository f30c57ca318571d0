//! Draining of request bodies.
//!
//! A client that writes its whole body before it reads would not see an early response. So the server takes the body
//! back when the handler is done with it, and reads the rest within limits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::{Semaphore, oneshot};

/// The maximum number of bytes that are read and discarded.
const MAX_DRAIN_BYTES: usize = 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of bodies that are drained at the same time. The connections of further ones are closed.
static DRAINS: Semaphore = Semaphore::const_new(32);

/// A body that goes back to the server when the handler drops it.
struct ReturnableBody {
    body: Option<Incoming>,
    started: bool,
    ended: bool,
    owner: Option<oneshot::Sender<ReturnedBody>>,
}

/// A body after its handler.
struct ReturnedBody {
    body: Incoming,
    started: bool,
    ended: bool,
}

impl HttpBody for ReturnableBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.started = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        self.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for ReturnableBody {
    fn drop(&mut self) {
        if let (Some(body), Some(owner)) = (self.body.take(), self.owner.take()) {
            // The receiver is gone if the client is.
            let _ = owner.send(ReturnedBody { body, started: self.started, ended: self.ended });
        }
    }
}

/// Receives the body back.
pub(crate) struct BodyReturn {
    returned: oneshot::Receiver<ReturnedBody>,
    expects_continue: bool,
}

/// Wraps a body for a handler, with the receiver that gets it back.
pub(crate) fn returnable_body(headers: &HeaderMap, body: Incoming) -> (Body, BodyReturn) {
    let (owner, returned) = oneshot::channel();
    let expects_continue =
        headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let returnable = ReturnableBody { body: Some(body), started: false, ended: false, owner: Some(owner) };
    (Body::new(returnable), BodyReturn { returned, expects_continue })
}

impl BodyReturn {
    /// Reads and discards the rest of the body, within the limits of time and bytes. Returns whether the body ended,
    /// so that the connection can be reused.
    pub(crate) async fn drain(mut self) -> bool {
        let Ok(ReturnedBody { body, started, ended }) = self.returned.try_recv() else { return false };
        if ended || body.is_end_stream() {
            return true;
        }
        // Reading would send `100 Continue`, and the client would send a body that no handler reads.
        if self.expects_continue && !started {
            return false;
        }
        let Ok(_permit) = DRAINS.try_acquire() else { return false };
        tokio::time::timeout(DRAIN_TIMEOUT, read_to_end(body)).await.unwrap_or(false)
    }
}

async fn read_to_end(mut body: Incoming) -> bool {
    let mut left = MAX_DRAIN_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}
