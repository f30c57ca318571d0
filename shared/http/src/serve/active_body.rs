//! Keeps a connection marked as active until its response has been sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};

use super::connections::ActiveRequest;

/// A body of a response. hyper drops it when it has taken the last part.
struct ActiveBody {
    body: Body,
    _active: ActiveRequest,
}

/// Keeps the request active until hyper drops the body of its response.
pub(crate) fn keep_active(response: Response, active: ActiveRequest) -> Response {
    response.map(|body| Body::new(ActiveBody { body, _active: active }))
}

impl HttpBody for ActiveBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
