//! What an operator sees: log lines, traces, metrics.
//!
//! | what | module |
//! | --- | --- |
//! | log lines on standard error | [`logs`] |
//! | spans to a collector, by OTLP | [`traces`] |
//! | the way of a trace through headers (W3C Trace Context) | [`context`] |
//! | counters, histograms and gauges for Prometheus | [`metrics`] |
//!
//! The rest of the workspace uses `tracing` and the small types of this crate; OpenTelemetry and
//! Prometheus are known here alone. What is not asked for is not installed: without a collector
//! there is no layer that follows spans, without a place to scrape every metric is an empty handle.
//!
//! Invariants: one line, one span, one sample for each decision, request or batch, never for a row;
//! nothing about a person in any of them; a collector that is away disturbs nobody.

pub mod context;
mod logs;
pub mod metrics;
mod traces;

use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use logs::{FilterError, LogFormat};
pub use metrics::{Counter, Histogram, Level, Meter};
pub use traces::TracesError;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What to log: a level, or levels by module.
    pub filter: &'a str,
    /// The form of log lines.
    pub format: LogFormat,
    /// What a collector calls this process, unless `OTEL_SERVICE_NAME` says otherwise.
    pub service: &'a str,
    /// Whether spans are sent to the collector that the variables `OTEL_…` describe. Needs a runtime.
    pub traces: bool,
    /// Whether metrics are kept.
    pub metrics: bool,
}

/// Why telemetry cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is not understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The collector is not described well.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Metrics cannot be kept.
    #[error(transparent)]
    Metrics(#[from] metrics::MetricsError),
}

/// What was begun. Clones share it; the default one is nothing.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    traces: Option<traces::Traces>,
    metrics: Option<metrics::Metrics>,
}

/// Starts logging to standard error, and what else is asked for. Once in a process.
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
    /// Where instruments come from. Without metrics, they record nothing.
    pub fn meter(&self) -> Meter {
        self.metrics.as_ref().map(metrics::Metrics::meter).unwrap_or_default()
    }

    /// All metrics as Prometheus reads them, if there are any.
    pub fn scrape(&self) -> Option<String> {
        self.metrics.as_ref().map(metrics::Metrics::scrape)
    }

    /// Sends what is left, at most for so long. Blocks the thread.
    pub fn end(&self, deadline: Duration) {
        if let Some(traces) = &self.traces {
            traces.end(deadline);
        }
    }
}
