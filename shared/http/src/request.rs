//! One request in logs, traces and metrics: by its id, its route and its status, never by its path.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use muster_telemetry::context;
use tracing::Span;
use tracing::field::Empty;

use crate::metrics::{HttpMetrics, known};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request id at most.
const ID_LENGTH: usize = 64;
/// What is asked every few seconds is neither logged nor counted.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// A request that is being answered.
pub(crate) struct Asked {
    id: String,
    method: Method,
    started: Instant,
    span: Span,
    metrics: HttpMetrics,
}

impl Asked {
    pub(crate) fn by(parts: &Parts, metrics: HttpMetrics) -> Self {
        let header = |name: &str| parts.headers.get(name)?.to_str().ok();
        let id = header(REQUEST_ID.as_str()).filter(|id| is_usable(id)).map(str::to_owned);
        let id = id.unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
        let (span, metrics) = if PROBES.contains(&parts.uri.path()) {
            (Span::none(), HttpMetrics::default())
        } else {
            (span(&id, &parts.method), metrics)
        };
        context::follow(&span, header);
        Self { id, method: parts.method.clone(), started: Instant::now(), span, metrics }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn answered(self, response: &mut Response) {
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

fn span(id: &str, method: &Method) -> Span {
    tracing::info_span!(
        "request",
        otel.kind = "server",
        request_id = id,
        method = known(method),
        route = Empty,
        tenant = Empty,
        job = Empty,
        status = Empty,
    )
}

/// An id of the client is logged and answered: nothing but these characters, so that no line breaks and no
/// e-mail address is one.
fn is_usable(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=ID_LENGTH).contains(&id.len()) && id.bytes().all(plain)
}

/// Notes the route that was chosen: for the span at once, and for the metrics on the answer. A path may hold
/// the name of a user; the route has a placeholder there.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    if let Some(route) = &route {
        let span = Span::current();
        span.record("route", route.as_str());
        context::name(&span, format_args!("{} {}", known(request.method()), route.as_str()));
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

    #[test]
    fn ids_are_short_and_plain() {
        for id in ["a", "0af7651916cd43dd-8448_eb.211", &"x".repeat(64)] {
            assert!(is_usable(id), "{id}");
        }
        for id in ["", "a b", "a@b.example", "a\"b", "a/b", "ä", &"x".repeat(65)] {
            assert!(!is_usable(id), "{id}");
        }
    }
}
