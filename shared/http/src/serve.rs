//! The server.
//!
//! It uses hyper directly: `axum::serve` 0.8 sets no timer, which disables hyper's timeout for slow headers.

mod active_body;
mod connections;
mod drain;
mod lingering_close;
mod overload;
mod stream;
mod validate;

use std::net::IpAddr;
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
use tower::ServiceExt;

use crate::client::{Client, TrustedProxies};
use crate::error::ApiError;
use crate::metrics::HttpMetrics;
use crate::path::collapse_slashes;
use crate::request::{RequestLog, record_route};

use active_body::keep_active;
use connections::{ActiveRequest, Connections, Registration};
use drain::returnable_body;
use lingering_close::linger;
use stream::SharedStream;
use validate::validate_request;

/// How long a client may take to send the head of a request, and how long a connection may stay without a request.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum size of a request head, and of one frame of a body.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 100;

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The maximum number of open connections.
    pub max_connections: usize,
    /// The maximum number of open connections from one address. Proxies are exempt.
    pub max_connections_per_address: usize,
    /// The proxies in front of the server.
    pub proxies: TrustedProxies,
    /// The metrics of the requests.
    pub metrics: HttpMetrics,
}

/// What the connections of a server share.
#[derive(Clone)]
struct Server {
    router: Router,
    shutdown: Shutdown,
    proxies: TrustedProxies,
    metrics: HttpMetrics,
}

/// Accepts connections until the shutdown starts. Each connection is a task that then finishes its current request,
/// unless the shutdown is forced.
pub async fn serve(listener: TcpListener, router: Router, tasks: Tasks, shutdown: Shutdown, options: ServeOptions) {
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
    let connections = Connections::new(options.max_connections, options.max_connections_per_address);
    let ServeOptions { proxies, metrics, .. } = options;
    let server = Server { router, shutdown: shutdown.clone(), proxies, metrics };
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    loop {
        match shutdown.run_until_requested(listener.accept()).await {
            Some(Ok((stream, peer))) => {
                backoff.reset();
                let address = peer.ip().to_canonical();
                let limited = (!server.proxies.contains(address)).then_some(address);
                match connections.register(limited) {
                    Some(registration) => {
                        let connection = serve_connection(server.clone(), stream, address, registration);
                        tasks.spawn("connection", connection);
                    }
                    None => overload::refuse(&tasks, stream),
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "could not accept a connection");
                backoff.wait().await;
            }
            None => return,
        }
    }
}

async fn serve_connection(server: Server, stream: TcpStream, peer: IpAddr, registration: Registration) {
    // Responses are small and must not be delayed.
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let shutdown = server.shutdown.clone();
    let for_hyper = TokioIo::new(SharedStream::new(stream.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        let client = Client::new(peer, &server.proxies, request.headers(), stream.clone());
        handle(server.router.clone(), server.metrics.clone(), request, client, registration.begin_request())
    });
    let mut connection = Box::pin(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_BUFFER_BYTES)
            .half_close(true)
            .serve_connection(for_hyper, service),
    );
    // A failed connection is not an error of the server.
    tokio::select! {
        _ = &mut connection => {
            drop(connection);
            shutdown.run_until_requested(linger(&stream)).await;
        }
        () = registration.closing() => tracing::debug!("a connection without a request made room for another one"),
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
    client: Client,
    active: ActiveRequest,
) -> Result<Response, std::convert::Infallible> {
    let (mut parts, body) = request.into_parts();
    collapse_slashes(&mut parts.uri);
    let log = RequestLog::begin(&parts, metrics);
    let (body, returned) = returnable_body(&parts.headers, body);
    parts.extensions.insert(client);
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
    Ok(keep_active(response, active))
}
