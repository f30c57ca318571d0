//! One request in logs, traces and metrics: its id, route and status, never its path.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use muster_telemetry::context;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::metrics::{HttpMetrics, method_label};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a request id that a client may choose.
const MAX_ID_CHARACTERS: usize = 64;
/// Paths that are requested every few seconds. They are neither logged nor counted.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

tokio::task_local! {
    /// The id of the request that this task handles.
    static CURRENT_ID: String;
}

/// Returns the id of the request that the current task handles; `None` outside of [`serve`](crate::serve()).
pub(crate) fn request_id() -> Option<String> {
    CURRENT_ID.try_with(Clone::clone).ok()
}

/// The log span and the metrics of one request.
pub(crate) struct RequestLog {
    id: String,
    method: Method,
    started: Instant,
    span: Span,
    metrics: HttpMetrics,
}

impl RequestLog {
    /// Starts the span and the clock. The id is the client's `x-request-id` if it is plain and short, else random.
    pub(crate) fn begin(parts: &Parts, metrics: HttpMetrics) -> Self {
        let header = |name: &str| parts.headers.get(name)?.to_str().ok();
        let id = header(REQUEST_ID.as_str()).filter(|id| is_usable(id)).map(str::to_owned);
        let id = id.unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
        let (span, metrics) = if PROBES.contains(&parts.uri.path()) {
            (Span::none(), HttpMetrics::default())
        } else {
            (new_span(&id, &parts.method), metrics)
        };
        context::follow(&span, header);
        Self { id, method: parts.method.clone(), started: Instant::now(), span, metrics }
    }

    /// Runs the handler within the span of the request and with its id as the current one.
    pub(crate) async fn run<T>(&self, handler: impl Future<Output = T>) -> T {
        CURRENT_ID.scope(self.id.clone(), handler).instrument(self.span.clone()).await
    }

    /// Records the response and adds the id to its headers.
    pub(crate) fn finish(self, response: &mut Response) {
        let status = response.status();
        self.span.record("status", status.as_u16());
        if status.is_server_error() {
            context::fail(&self.span);
        }
        let route = response.extensions_mut().remove::<MatchedPath>();
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        self.metrics.record(&self.method, route, status, self.started.elapsed());
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
    }
}

fn new_span(id: &str, method: &Method) -> Span {
    tracing::info_span!(
        "request",
        otel.kind = "server",
        request_id = id,
        method = method_label(method),
        route = Empty,
        tenant = Empty,
        job = Empty,
        status = Empty,
    )
}

/// Whether the id of a client may be logged and returned. These characters cannot break a log line and cannot form
/// an e-mail address.
fn is_usable(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_ID_CHARACTERS).contains(&id.len()) && id.bytes().all(plain)
}

/// Records the matched route in the span, and in the response for the metrics. Unlike a path, which may contain a
/// user name, a route has placeholders.
pub(crate) async fn record_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    if let Some(route) = &route {
        let span = Span::current();
        span.record("route", route.as_str());
        context::name(&span, format_args!("{} {}", method_label(request.method()), route.as_str()));
    }
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;
    use muster_ports::StoreError;
    use serde_json::Value;

    #[test]
    fn a_usable_id_is_short_and_plain() {
        for id in ["a", "0af7651916cd43dd-8448_eb.211", &"x".repeat(64)] {
            assert!(is_usable(id), "{id}");
        }
        for id in ["", "a b", "a@b.example", "a\"b", "a/b", "ä", &"x".repeat(65)] {
            assert!(!is_usable(id), "{id}");
        }
    }

    #[test]
    fn an_internal_error_names_the_id_of_its_request() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (parts, ()) =
            axum::http::Request::builder().header("x-request-id", "order-8").body(()).unwrap().into_parts();
        let log = RequestLog::begin(&parts, HttpMetrics::default());
        let message = || {
            let mut found = String::new();
            ApiError::from(StoreError::Unreadable("a row")).into_response_with(|_, _, message| {
                message.clone_into(&mut found);
                Value::Null
            });
            found
        };
        let in_handler = runtime.block_on(log.run(async { message() }));
        assert_eq!(in_handler, "Internal server error; request id order-8");
        assert_eq!(message(), "Internal server error", "outside of a handler");
    }
}
