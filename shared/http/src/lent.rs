//! A request's body that comes back when its handler is done with it, so that a client that writes
//! before it reads sees the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::oneshot;

/// What is still read of a body that is not wanted.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// A body on loan to a handler.
struct Lent {
    body: Option<Incoming>,
    begun: bool,
    ended: bool,
    owner: Option<oneshot::Sender<Returned>>,
}

/// A body after its handler.
struct Returned {
    body: Incoming,
    begun: bool,
    ended: bool,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.begun = true;
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

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(owner)) = (self.body.take(), self.owner.take()) {
            // The owner is gone when the client is.
            let _ = owner.send(Returned { body, begun: self.begun, ended: self.ended });
        }
    }
}

/// Where a body comes back to.
pub(crate) struct Loan {
    returned: oneshot::Receiver<Returned>,
    expects_continue: bool,
}

/// Lends a body to a handler.
pub(crate) fn lend(headers: &HeaderMap, body: Incoming) -> (Body, Loan) {
    let (owner, returned) = oneshot::channel();
    let expects_continue =
        headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let lent = Lent { body: Some(body), begun: false, ended: false, owner: Some(owner) };
    (Body::new(lent), Loan { returned, expects_continue })
}

impl Loan {
    /// Reads what the handler left of the body and throws it away, within bounds. Says whether that
    /// was all, so that the connection can be used again.
    pub(crate) async fn settle(mut self) -> bool {
        let Ok(Returned { body, begun, ended }) = self.returned.try_recv() else { return false };
        if ended || body.is_end_stream() {
            return true;
        }
        // Reading would tell the client to send what nobody wants.
        if self.expects_continue && !begun {
            return false;
        }
        tokio::time::timeout(DRAIN_DEADLINE, drain(body)).await.unwrap_or(false)
    }
}

async fn drain(mut body: Incoming) -> bool {
    let mut left = DRAIN_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}
