//! Metrics of requests.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use muster_telemetry::metrics::SHORT_SECONDS;
use muster_telemetry::{Counter, Histogram, Meter};

/// The metrics of a server. The default value records nothing.
#[derive(Clone, Debug, Default)]
pub struct HttpMetrics {
    requests: Counter,
    seconds: Histogram,
    unauthorized: Counter,
}

impl HttpMetrics {
    /// Registers the metrics.
    pub fn new(meter: &Meter) -> Self {
        Self {
            requests: meter.lazy_counter("muster_http_requests_total", "Requests, by method, route and status class."),
            unauthorized: meter.counter("muster_http_unauthorized_total", "Requests without a valid token."),
            seconds: meter.seconds(
                "muster_http_request_seconds",
                "Time from the head of a request to the head of its response, by method and route.",
                &SHORT_SECONDS,
            ),
        }
    }

    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, duration: Duration) {
        let (method, route) = (("method", method_label(method)), ("route", route));
        self.requests.add(1, &[method, route, ("status", status_class(status))]);
        self.seconds.record(duration, &[method, route]);
        if status == StatusCode::UNAUTHORIZED {
            self.unauthorized.add(1, &[]);
        }
    }
}

/// Clients can invent methods, so unknown ones share one label value.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 | 2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
