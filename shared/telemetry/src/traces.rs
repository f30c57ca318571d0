//! Exports finished spans to a collector, by OTLP over HTTP.
//!
//! Spans wait in a bounded queue (`OTEL_BSP_MAX_QUEUE_SIZE`, default 2,048) and are exported in batches by a separate
//! thread. Spans that do not fit in the queue or cannot be exported are dropped. Only that thread waits for the
//! collector, and the shutdown of the process, for a limited time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData};
use tokio::runtime::Handle;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{FilterFn, Filtered};
use tracing_subscriber::{Layer, Registry};

/// How long the export of a batch of spans may take, including retries. The client itself limits each attempt to 10 s.
const EXPORT_DEADLINE: Duration = Duration::from_secs(20);
const SERVICE_NAME: &str = "service.name";

/// The `OTEL_EXPORTER_OTLP_*` variables do not configure a usable collector.
#[derive(Debug, thiserror::Error)]
#[error(
    "the OTEL_EXPORTER_OTLP_* variables do not configure a usable collector; expected a URL such as http://127.0.0.1:4318"
)]
pub struct TracesError(#[from] ExporterBuildError);

/// The layer that exports the spans of Muster.
pub(crate) type Spans = Filtered<OpenTelemetryLayer<Registry, SdkTracer>, FilterFn, Registry>;

/// The export of spans to a collector.
#[derive(Clone, Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    pub(crate) fn start(service: &str) -> Result<Self, TracesError> {
        let exporter = Exporter {
            inner: Arc::new(SpanExporter::builder().with_http().build()?),
            runtime: Handle::current(),
            failing: AtomicBool::new(false),
        };
        let provider =
            SdkTracerProvider::builder().with_resource(resource(service)).with_batch_exporter(exporter).build();
        Ok(Self { provider })
    }

    pub(crate) fn layer(&self) -> Spans {
        // Log events are not exported: error texts do not belong in a trace.
        let is_exported = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target().starts_with("muster");
        let is_exported: fn(&Metadata<'_>) -> bool = is_exported;
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("muster"))
            // Only spans of `tracing` are used here, so the context of OpenTelemetry need not follow each entered span.
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_location(false)
            .with_threads(false)
            .with_filter(FilterFn::new(is_exported).with_max_level_hint(LevelFilter::INFO))
    }

    /// Exports the remaining spans.
    pub(crate) fn end(&self, deadline: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(deadline) {
            tracing::warn!(%error, "the remaining spans could not be sent");
        }
    }
}

/// Describes this process: its service name comes from the OpenTelemetry variables, or else from the role.
fn resource(service: &str) -> Resource {
    let detected = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = detected.build();
    let named =
        resource.get(&Key::from_static_str(SERVICE_NAME)).filter(|name| !name.as_str().starts_with("unknown_service"));
    if named.is_some() {
        return resource;
    }
    let attributes = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty().with_attributes(attributes).with_service_name(service.to_owned()).build()
}

/// Exports on the Tokio runtime: the client needs one, and the thread that calls it has none. Logs once when exports
/// start to fail, and once when they succeed again.
#[derive(Debug)]
struct Exporter {
    inner: Arc<SpanExporter>,
    runtime: Handle,
    failing: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Exporter {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        let inner = self.inner.clone();
        let sending = self.runtime.spawn(async move {
            let sent = opentelemetry_sdk::trace::SpanExporter::export(&*inner, spans);
            tokio::time::timeout(EXPORT_DEADLINE, sent).await
        });
        let result = match sending.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(EXPORT_DEADLINE)),
            // The runtime is shutting down.
            Err(_) => Err(OTelSdkError::AlreadyShutdown),
        };
        match (&result, self.failing.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(%error, "spans cannot be sent and are dropped until the collector accepts them");
            }
            (Ok(()), true) => tracing::info!("spans are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, deadline: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(deadline)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // Called once, before the first export, while `inner` is not shared.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}
