//! Sends finished spans to a collector, by OTLP over HTTP.
//!
//! Spans wait in a bounded queue (`OTEL_BSP_MAX_QUEUE_SIZE`, 2,048) and are sent in batches by a
//! thread of their own. What does not fit is dropped; what cannot be sent is lost. Nobody waits for
//! the collector but that thread, and the end of the process, which waits for a limited time.

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

/// How long one batch of spans may take with all its tries. The client's own limit is 10 s a try.
const EXPORT_DEADLINE: Duration = Duration::from_secs(20);
const NAME: &str = "service.name";

/// The variables of OpenTelemetry describe no usable collector.
#[derive(Debug, thiserror::Error)]
#[error(
    "the variables OTEL_EXPORTER_OTLP_… describe no collector that can be used; expected an address such as http://127.0.0.1:4318"
)]
pub struct TracesError(#[from] ExporterBuildError);

/// The layer that follows our spans.
pub(crate) type Spans = Filtered<OpenTelemetryLayer<Registry, SdkTracer>, FilterFn, Registry>;

/// The way to a collector.
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
        // Log lines stay where they are: texts of errors have no place in a trace.
        let is_ours = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target().starts_with("muster");
        let ours: fn(&Metadata<'_>) -> bool = is_ours;
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("muster"))
            // Nothing but `tracing` is followed, so that entering a span costs nothing.
            .with_context_activation(false)
            .with_tracked_inactivity(false)
            .with_location(false)
            .with_threads(false)
            .with_filter(FilterFn::new(ours).with_max_level_hint(LevelFilter::INFO))
    }

    /// Sends what is left.
    pub(crate) fn end(&self, deadline: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(deadline) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Who sends: by the variables of OpenTelemetry, otherwise by the role.
fn resource(service: &str) -> Resource {
    let detected = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = detected.build();
    let named = resource.get(&Key::from_static_str(NAME)).filter(|name| !name.as_str().starts_with("unknown_service"));
    if named.is_some() {
        return resource;
    }
    let attributes = resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder_empty().with_attributes(attributes).with_service_name(service.to_owned()).build()
}

/// Sends on the runtime, since the thread that asks has none and the client needs one. Says once that
/// it fails, and once that it works again.
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
            // The runtime is going down.
            Err(_) => Err(OTelSdkError::AlreadyShutdown),
        };
        match (&result, self.failing.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => {
                tracing::warn!(%error, "spans cannot be sent and are lost until the collector takes them");
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
        // Once, before anything is sent.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}
