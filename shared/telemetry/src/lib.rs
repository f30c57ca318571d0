//! What an operator sees: log lines, traces, metrics.
//!
//! | What | Module |
//! | --- | --- |
//! | log lines on standard error | [`logs`] |
//! | export of spans to a collector, by OTLP | [`traces`] |
//! | propagation of traces through headers (W3C Trace Context) | [`context`] |
//! | counters, histograms and gauges for Prometheus | [`metrics`] |
//!
//! The rest of the workspace uses `tracing` and the small types of this crate; only this crate depends on OpenTelemetry
//! and Prometheus. Nothing is installed unless it is enabled: without a collector there is no layer for spans, and
//! without a scrape endpoint every metric is an empty handle.
//!
//! Invariants: one line, span or sample per decision, request or batch, never per row; no personal data in any of them;
//! an unreachable collector slows nothing down.

pub mod context;
mod logs;
pub mod metrics;
mod traces;

use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use logs::{FilterError, LogFormat};
pub use metrics::{Counter, Gauge, Histogram, Meter};
pub use traces::TracesError;

/// Which telemetry to enable.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The log filter: a level, or levels per module.
    pub filter: &'a str,
    /// The format of log lines.
    pub format: LogFormat,
    /// The service name of this process in traces, unless `OTEL_SERVICE_NAME` sets another.
    pub service: &'a str,
    /// Whether spans are exported to the collector that the `OTEL_*` variables configure. Requires a Tokio runtime.
    pub traces: bool,
    /// Whether metrics are collected.
    pub metrics: bool,
}

/// Why telemetry cannot be initialized.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is invalid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The configuration of the collector is invalid.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Metrics cannot be set up.
    #[error(transparent)]
    Metrics(#[from] metrics::MetricsError),
}

/// The enabled telemetry. Clones share it; in the default value nothing is enabled.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    traces: Option<traces::Traces>,
    metrics: Option<metrics::Metrics>,
}

/// Initializes logging to standard error and the other telemetry that `options` enable. To be called once per process.
pub fn init(options: Options<'_>) -> Result<Telemetry, TelemetryError> {
    let lines = logs::layer(options.filter, options.format)?;
    let traces = if options.traces { Some(traces::Traces::start(options.service)?) } else { None };
    let metrics = if options.metrics { Some(metrics::Metrics::start()?) } else { None };
    let spans = traces.as_ref().map(traces::Traces::layer);
    tracing_subscriber::registry().with(spans).with(lines).init();
    logs::log_panics();
    Ok(Telemetry { traces, metrics })
}

impl Telemetry {
    /// Returns the meter that creates instruments. If metrics are disabled, they record nothing.
    pub fn meter(&self) -> Meter {
        self.metrics.as_ref().map(metrics::Metrics::meter).unwrap_or_default()
    }

    /// Returns all metrics in the text format of Prometheus; `None` if metrics are disabled.
    pub fn scrape(&self) -> Option<String> {
        self.metrics.as_ref().map(metrics::Metrics::scrape)
    }

    /// Exports the remaining spans, for up to `deadline`. Blocks the thread.
    pub fn end(&self, deadline: Duration) {
        if let Some(traces) = &self.traces {
            traces.end(deadline);
        }
    }
}
