//! Counters, histograms and gauges for Prometheus. Without a scrape endpoint they are empty handles.
//!
//! Labels have few values, known in advance: none identifies a tenant, a job or a person. Counters are exported from
//! the start with the value 0, so that an alert sees the first event.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Metrics cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up")]
pub struct MetricsError(#[from] OTelSdkError);

/// The name and the value of a label.
pub type Label<'a> = (&'static str, &'a str);

/// Histogram bounds for durations from a millisecond to a minute.
pub const SHORT_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];
/// Histogram bounds for durations of up to hours.
pub const LONG_SECONDS: [f64; 10] = [0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0];

/// All metrics of the process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Metrics {
    pub(crate) fn start() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // The code contains the full names, with units and suffixes.
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()?;
        Ok(Self { provider: SdkMeterProvider::builder().with_reader(exporter).build(), registry })
    }

    pub(crate) fn meter(&self) -> Meter {
        Meter(Some(self.provider.meter("muster")))
    }

    pub(crate) fn scrape(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// Creates instruments. Those of the default meter record nothing.
#[derive(Clone, Default)]
pub struct Meter(Option<opentelemetry::metrics::Meter>);

impl Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meter").field(&self.0.is_some()).finish()
    }
}

impl Meter {
    /// Creates a counter of events.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        let counter = self.lazy_counter(name, help);
        counter.add(0, &[]);
        counter
    }

    /// Creates a counter of events with a label. Each of the label's `values` is exported from the start.
    pub fn labeled_counter(
        &self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        values: &[&str],
    ) -> Counter {
        let counter = self.lazy_counter(name, help);
        for value in values {
            counter.add(0, &[(label, value)]);
        }
        counter
    }

    /// Creates a counter whose label values are not all known in advance: a value is exported after its first event.
    pub fn lazy_counter(&self, name: &'static str, help: &'static str) -> Counter {
        Counter(self.0.as_ref().map(|meter| meter.u64_counter(name).with_description(help).build()))
    }

    /// Creates a histogram of durations in seconds.
    pub fn seconds(&self, name: &'static str, help: &'static str, bounds: &[f64]) -> Histogram {
        let builder = |meter: &opentelemetry::metrics::Meter| {
            meter.f64_histogram(name).with_description(help).with_boundaries(bounds.to_vec()).build()
        };
        Histogram(self.0.as_ref().map(builder))
    }

    /// Creates a gauge, whose value is set by the caller.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        if self.0.is_none() {
            return Gauge::default();
        }
        let number = Arc::new(AtomicU64::new(0));
        let read = number.clone();
        self.watch(name, help, move || read.load(Ordering::Relaxed));
        Gauge(Some(number))
    }

    /// Creates a gauge whose value is read at each scrape.
    pub fn watch(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        if let Some(meter) = &self.0 {
            let gauge = meter.u64_observable_gauge(name).with_description(help);
            gauge.with_callback(move |observer| observer.observe(read(), &[])).build();
        }
    }

    /// Creates a gauge with the constant value 1, whose labels carry the information.
    pub fn info(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) {
        if let Some(meter) = &self.0 {
            let labels = key_values(labels);
            let gauge = meter.u64_observable_gauge(name).with_description(help);
            gauge.with_callback(move |observer| observer.observe(1, &labels)).build();
        }
    }
}

/// A value that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Option<opentelemetry::metrics::Counter<u64>>);

impl Counter {
    /// Adds to the counter.
    pub fn add(&self, number: u64, labels: &[Label<'_>]) {
        if let Some(counter) = &self.0 {
            counter.add(number, &key_values(labels));
        }
    }
}

/// A distribution of durations.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Option<opentelemetry::metrics::Histogram<f64>>);

impl Histogram {
    /// Records a duration.
    pub fn record(&self, duration: std::time::Duration, labels: &[Label<'_>]) {
        if let Some(histogram) = &self.0 {
            histogram.record(duration.as_secs_f64(), &key_values(labels));
        }
    }
}

/// A value that can go up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Option<Arc<AtomicU64>>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, number: u64) {
        if let Some(value) = &self.0 {
            value.store(number, Ordering::Relaxed);
        }
    }

    /// Adds 1 until the returned guard is dropped.
    pub fn enter(&self) -> GaugeGuard {
        if let Some(value) = &self.0 {
            value.fetch_add(1, Ordering::Relaxed);
        }
        GaugeGuard(self.clone())
    }
}

/// Subtracts 1 from its gauge when dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        if let Some(value) = &self.0.0 {
            value.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn key_values(labels: &[Label<'_>]) -> Vec<KeyValue> {
    labels.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn metrics_are_scraped_under_the_names_in_the_code() {
        let metrics = Metrics::start().unwrap();
        let meter = metrics.meter();
        let rows = meter.labeled_counter("muster_test_rows_total", "Rows.", "outcome", &["created", "failed"]);
        rows.add(3, &[("outcome", "created")]);
        let running = meter.gauge("muster_test_running", "Running.");
        let guard = running.enter();
        meter.seconds("muster_test_seconds", "Time.", &[1.0, 2.0]).record(Duration::from_millis(1500), &[]);
        let text = metrics.scrape();
        for line in [
            "# HELP muster_test_rows_total Rows.",
            "# TYPE muster_test_rows_total counter",
            "muster_test_rows_total{outcome=\"created\"} 3",
            "muster_test_rows_total{outcome=\"failed\"} 0",
            "muster_test_running 1",
            "muster_test_seconds_bucket{le=\"1\"} 0",
            "muster_test_seconds_bucket{le=\"2\"} 1",
            "muster_test_seconds_sum 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "missing line {line} in\n{text}");
        }
        drop(guard);
        assert!(metrics.scrape().contains("muster_test_running 0"));
    }

    #[test]
    fn instruments_of_the_default_meter_record_nothing() {
        let meter = Meter::default();
        meter.counter("muster_test_total", "").add(1, &[]);
        drop(meter.gauge("muster_test_running", "").enter());
    }
}
