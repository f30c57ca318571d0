//! The server.
//!
//! `axum::serve` 0.8 sets no timer, so that hyper's limit on slow headers is off; hence hyper-util
//! directly.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use muster_runtime::{Backoff, Shutdown, Tasks};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tracing::Instrument;

use crate::error::ApiError;
use crate::goodbye::lend_stream;
use crate::lent::lend;
use crate::metrics::HttpMetrics;
use crate::path::collapse_slashes;
use crate::request::{Asked, note_route};
use crate::target::check_target;

/// How long a client may take to send the head of a request.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most; also what one frame of a body holds at most.
const BUFFER_BYTES: usize = 64 * 1024;
/// Headers of a request at most.
const HEADER_COUNT: usize = 100;
/// Connections at a time at most; further ones wait to be accepted.
const CONNECTIONS: usize = 1024;

/// Serves until a stop is asked for and the requests under way are answered, or the stop is forced.
pub async fn serve(listener: TcpListener, router: Router, tasks: Tasks, shutdown: Shutdown, metrics: HttpMetrics) {
    let router = router
        .fallback(|| async {
            ApiError::new(StatusCode::NOT_FOUND, "route_unknown", "There is nothing at this address.")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address does not take this method.",
            )
        })
        .layer(from_fn(note_route));
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match shutdown.unless_begun(listener.accept()).await {
            Some(Ok((stream, _))) => {
                backoff.reset();
                let connection = serve_connection(stream, router.clone(), shutdown.clone(), metrics.clone());
                tasks.spawn("connection", async move {
                    connection.await;
                    drop(permit);
                });
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                backoff.wait().await;
            }
            None => return,
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router, shutdown: Shutdown, metrics: HttpMetrics) {
    // Answers are small and wanted at once.
    let _ = stream.set_nodelay(true);
    let (stream, loan) = lend_stream(stream);
    let service = service_fn(move |request| answer(router.clone(), metrics.clone(), request));
    let mut connection = Box::pin(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_DEADLINE)
            .max_headers(HEADER_COUNT)
            .max_buf_size(BUFFER_BYTES)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service),
    );
    // A connection that fails is the client's to notice.
    tokio::select! {
        _ = &mut connection => {
            drop(connection);
            shutdown.unless_begun(loan.say_goodbye()).await;
        }
        () = shutdown.begun() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection => {}
                () = shutdown.forced() => {}
            }
        }
    }
}

async fn answer(
    router: Router,
    metrics: HttpMetrics,
    request: Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    let (mut parts, body) = request.into_parts();
    collapse_slashes(&mut parts.uri);
    let asked = Asked::by(&parts, metrics);
    let (body, loan) = lend(&parts.headers, body);
    let request = Request::from_parts(parts, body);
    let mut response = match check_target(&request) {
        Ok(()) => router.oneshot(request).instrument(asked.span().clone()).await.into_response(),
        Err(error) => {
            drop(request);
            error.into_response()
        }
    };
    asked.answered(&mut response);
    // What users are called is no page and no script, whatever it looks like.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !loan.settle().await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
