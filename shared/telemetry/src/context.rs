//! Propagates traces between processes: W3C Trace Context in the headers of requests and messages.

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header names, most important first.
pub const HEADERS: [&str; 2] = ["traceparent", "tracestate"];
/// A longer trace state is dropped. The standard requires support for this length.
const MAX_TRACESTATE_BYTES: usize = 512;

/// Returns the headers by which another process continues the current span. Empty if spans are not exported.
pub fn inject() -> Vec<(String, String)> {
    let mut headers = HeaderList(Vec::new());
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.0
}

/// Sets the parent of a span from headers, if they contain a valid one. Call it before the span is entered: the parent
/// of a started span cannot be changed.
pub fn follow<'a>(span: &Span, header: impl Fn(&str) -> Option<&'a str>) {
    let headers = HeaderValues(HEADERS.map(header));
    let context = TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &headers);
    if context.span().span_context().is_valid() {
        // Fails only if spans are not exported.
        let _ = span.set_parent(context);
    }
}

/// Sets the name of a span in its trace. Its name in log lines is fixed when it is created.
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

struct HeaderList(Vec<(String, String)>);

impl Injector for HeaderList {
    fn set(&mut self, name: &str, value: String) {
        if !value.is_empty() && value.len() <= MAX_TRACESTATE_BYTES {
            self.0.push((name.to_owned(), value));
        }
    }
}

/// The values of [`HEADERS`].
struct HeaderValues<'a>([Option<&'a str>; 2]);

impl Extractor for HeaderValues<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = HEADERS.iter().zip(self.0).find(|(header, _)| **header == name)?;
        value.filter(|value| value.len() <= MAX_TRACESTATE_BYTES)
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

    /// Returns the headers that a span injects whose own parent was set from the given values.
    fn propagate(parent: &str, state: &str) -> Vec<(String, String)> {
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
    fn a_span_continues_the_trace_of_its_headers_and_propagates_it() {
        let headers = propagate(PARENT, "vendor=x");
        assert_eq!(headers[0].0, "traceparent");
        assert_eq!(headers[0].1[..36], PARENT[..36], "the trace is the same");
        assert_ne!(headers[0].1[36..], PARENT[36..], "the span is another");
        assert_eq!(headers[1], ("tracestate".to_owned(), "vendor=x".to_owned()));
    }

    #[test]
    fn invalid_headers_start_a_new_trace() {
        for parent in ["", "00-0-0-00", "hello", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            let headers = propagate(parent, "");
            assert_eq!(headers.len(), 1, "{parent}");
            assert_ne!(headers[0].1[..36], PARENT[..36]);
        }
        assert_eq!(
            propagate(PARENT, &format!("vendor={}", "x".repeat(600))).len(),
            1,
            "a too long trace state is dropped"
        );
    }

    #[test]
    fn nothing_is_propagated_if_spans_are_not_exported() {
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            let span = tracing::info_span!("batch");
            follow(&span, |_| Some(PARENT));
            assert_eq!(span.in_scope(inject), []);
        });
    }
}
