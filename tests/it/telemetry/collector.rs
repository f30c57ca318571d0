//! A trace collector that receives spans by OTLP over HTTP and keeps every byte it receives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;

/// A received span: the parts that the tests compare.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    /// Empty for the root of a trace.
    pub(super) parent: String,
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Clone, Default)]
pub(super) struct Collector {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { url, requests: Arc::default() };
        let store = |State(requests): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| async move {
            requests.lock().unwrap().push(body);
        };
        let routes = Router::new().route("/v1/traces", post(store)).with_state(collector.requests.clone());
        #[expect(clippy::disallowed_methods, reason = "a test has no tasks of a service")]
        tokio::spawn(async move { axum::serve(listener, routes).await });
        collector
    }

    /// The variables that make a process send its spans to this collector.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        vec![("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), self.url.clone())]
    }

    /// The bodies of all requests received so far.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.requests.lock().unwrap().concat()
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.requests.lock().unwrap().iter().flat_map(|body| decode(body)).collect()
    }
}

fn decode(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let service = attributes(&resource.resource.unwrap_or_default().attributes)["service.name"].clone();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: attributes(&span.attributes),
            });
        }
    }
    spans
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone().and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    pairs.iter().map(|pair| (pair.key.clone(), text(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
