//! The server.
//!
//! It uses hyper directly: `axum::serve` 0.8 sets no timer, which disables hyper's timeout for slow headers.

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

use crate::drain::returnable_body;
use crate::error::ApiError;
use crate::lingering_close::returnable_stream;
use crate::metrics::HttpMetrics;
use crate::path::collapse_slashes;
use crate::request::{RequestLog, record_route};
use crate::validate::validate_request;

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum size of a request head, and of one frame of a body.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 100;
/// The maximum number of open connections. Further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;

/// Accepts connections until the shutdown starts. Each connection is a task that then finishes its current request,
/// unless the shutdown is forced.
pub async fn serve(listener: TcpListener, router: Router, tasks: Tasks, shutdown: Shutdown, metrics: HttpMetrics) {
    let router = router
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "route_unknown", "No such endpoint.") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This endpoint does not accept this method.",
            )
        })
        .layer(from_fn(record_route));
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match shutdown.run_until_requested(listener.accept()).await {
            Some(Ok((stream, _))) => {
                backoff.reset();
                let connection = serve_connection(stream, router.clone(), shutdown.clone(), metrics.clone());
                tasks.spawn("connection", async move {
                    connection.await;
                    drop(permit);
                });
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "could not accept a connection");
                backoff.wait().await;
            }
            None => return,
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router, shutdown: Shutdown, metrics: HttpMetrics) {
    // Responses are small and must not be delayed.
    let _ = stream.set_nodelay(true);
    let (stream, returned) = returnable_stream(stream);
    let service = service_fn(move |request| handle(router.clone(), metrics.clone(), request));
    let mut connection = Box::pin(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER_BYTES)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service),
    );
    // A failed connection is not an error of the server.
    tokio::select! {
        _ = &mut connection => {
            drop(connection);
            shutdown.run_until_requested(returned.linger()).await;
        }
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection => {}
                () = shutdown.forced() => {}
            }
        }
    }
}

async fn handle(
    router: Router,
    metrics: HttpMetrics,
    request: Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    let (mut parts, body) = request.into_parts();
    collapse_slashes(&mut parts.uri);
    let log = RequestLog::begin(&parts, metrics);
    let (body, returned) = returnable_body(&parts.headers, body);
    let request = Request::from_parts(parts, body);
    let mut response = match validate_request(&request) {
        Ok(()) => log.run(router.oneshot(request)).await.into_response(),
        Err(error) => {
            drop(request);
            error.into_response()
        }
    };
    log.finish(&mut response);
    // A response may contain user input, which a browser must not interpret as a page or a script.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !returned.drain().await {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
