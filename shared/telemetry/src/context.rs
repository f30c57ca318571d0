//! The way of a trace from process to process: W3C Trace Context in the headers of requests and messages.

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The headers, in the order of their importance.
pub const HEADERS: [&str; 2] = ["traceparent", "tracestate"];
/// A trace state that is longer does not go on with its trace; the standard asks for so much.
const MAX_STATE: usize = 512;

/// The headers by which others follow the current span. None if spans are not sent.
pub fn inject() -> Vec<(String, String)> {
    let mut headers = Headers(Vec::new());
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.0
}

/// Makes a span follow the one that these headers tell of, if they tell of one. It must not have been
/// entered yet: a span that has begun keeps its parent.
pub fn follow<'a>(span: &Span, header: impl Fn(&str) -> Option<&'a str>) {
    let headers = Read(HEADERS.map(header));
    let context = TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &headers);
    if context.span().span_context().is_valid() {
        // An error says that spans are not sent.
        let _ = span.set_parent(context);
    }
}

/// Calls a span otherwise in its trace than in log lines, whose name is known before it begins.
pub fn name(span: &Span, name: std::fmt::Arguments<'_>) {
    let context = span.context();
    if context.span().is_recording() {
        context.span().update_name(name.to_string());
    }
}

/// Marks a span as failed.
pub fn fail(span: &Span) {
    span.set_status(Status::error(""));
}

struct Headers(Vec<(String, String)>);

impl Injector for Headers {
    fn set(&mut self, name: &str, value: String) {
        if !value.is_empty() && value.len() <= MAX_STATE {
            self.0.push((name.to_owned(), value));
        }
    }
}

/// The values of [`HEADERS`].
struct Read<'a>([Option<&'a str>; 2]);

impl Extractor for Read<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = HEADERS.iter().zip(self.0).find(|(header, _)| **header == name)?;
        value.filter(|value| value.len() <= MAX_STATE)
    }

    fn keys(&self) -> Vec<&str> {
        HEADERS.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// What a span hands on that follows these headers.
    fn handed_on(parent: &str, state: &str) -> Vec<(String, String)> {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer.with_context_activation(false));
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("batch");
            follow(&span, |name| if name == HEADERS[0] { Some(parent) } else { Some(state) });
            span.in_scope(inject)
        })
    }

    #[test]
    fn a_span_follows_its_headers_and_hands_them_on() {
        let headers = handed_on(PARENT, "vendor=x");
        assert_eq!(headers[0].0, "traceparent");
        assert_eq!(headers[0].1[..36], PARENT[..36], "the same trace");
        assert_ne!(headers[0].1[36..], PARENT[36..], "another span");
        assert_eq!(headers[1], ("tracestate".to_owned(), "vendor=x".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_begins_a_trace() {
        for parent in ["", "00-0-0-00", "hello", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            let headers = handed_on(parent, "");
            assert_eq!(headers.len(), 1, "{parent}");
            assert_ne!(headers[0].1[..36], PARENT[..36]);
        }
        assert_eq!(handed_on(PARENT, &format!("vendor={}", "x".repeat(600))).len(), 1, "a long state goes no further");
    }

    #[test]
    fn nothing_is_handed_on_if_spans_are_not_sent() {
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let span = tracing::info_span!("batch");
            follow(&span, |_| Some(PARENT));
            assert_eq!(span.in_scope(inject), []);
        });
    }
}
