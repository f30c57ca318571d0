//! Counters, histograms and gauges for Prometheus. Without a place to scrape they are empty handles.
//!
//! Labels have few values, all known before: none names a tenant, a job or a person. Counters show
//! from the start with zero, so that an alert sees the first event.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

/// Metrics cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be kept")]
pub struct MetricsError(#[from] OTelSdkError);

/// A name and a value.
pub type Label<'a> = (&'static str, &'a str);

/// Upper bounds for what takes milliseconds to a minute.
pub const SHORT_SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];
/// Upper bounds for what takes up to hours.
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
            // Names stand in the code as they are scraped.
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

/// Makes instruments; those of the default one record nothing.
#[derive(Clone, Default)]
pub struct Meter(Option<opentelemetry::metrics::Meter>);

impl Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meter").field(&self.0.is_some()).finish()
    }
}

impl Meter {
    /// Counts events.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        let counter = self.silent_counter(name, help);
        counter.add(0, &[]);
        counter
    }

    /// Counts events by a label that has these values.
    pub fn counter_by(&self, name: &'static str, help: &'static str, label: &'static str, values: &[&str]) -> Counter {
        let counter = self.silent_counter(name, help);
        for value in values {
            counter.add(0, &[(label, value)]);
        }
        counter
    }

    /// Counts events by labels whose values are not all known before.
    pub fn silent_counter(&self, name: &'static str, help: &'static str) -> Counter {
        Counter(self.0.as_ref().map(|meter| meter.u64_counter(name).with_description(help).build()))
    }

    /// Collects durations in seconds.
    pub fn seconds(&self, name: &'static str, help: &'static str, bounds: &[f64]) -> Histogram {
        let builder = |meter: &opentelemetry::metrics::Meter| {
            meter.f64_histogram(name).with_description(help).with_boundaries(bounds.to_vec()).build()
        };
        Histogram(self.0.as_ref().map(builder))
    }

    /// Shows how many there are at the moment.
    pub fn level(&self, name: &'static str, help: &'static str) -> Level {
        if self.0.is_none() {
            return Level::default();
        }
        let number = Arc::new(AtomicU64::new(0));
        let read = number.clone();
        self.watch(name, help, move || read.load(Ordering::Relaxed));
        Level(Some(number))
    }

    /// Shows a number that is read whenever somebody looks.
    pub fn watch(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        if let Some(meter) = &self.0 {
            let gauge = meter.u64_observable_gauge(name).with_description(help);
            gauge.with_callback(move |observer| observer.observe(read(), &[])).build();
        }
    }

    /// Shows that something is as these labels say.
    pub fn info(&self, name: &'static str, help: &'static str, labels: &[Label<'_>]) {
        if let Some(meter) = &self.0 {
            let labels = key_values(labels);
            let gauge = meter.u64_observable_gauge(name).with_description(help);
            gauge.with_callback(move |observer| observer.observe(1, &labels)).build();
        }
    }
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Option<opentelemetry::metrics::Counter<u64>>);

impl Counter {
    /// So many more.
    pub fn add(&self, number: u64, labels: &[Label<'_>]) {
        if let Some(counter) = &self.0 {
            counter.add(number, &key_values(labels));
        }
    }
}

/// Durations, in classes.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Option<opentelemetry::metrics::Histogram<f64>>);

impl Histogram {
    /// One more.
    pub fn record(&self, duration: std::time::Duration, labels: &[Label<'_>]) {
        if let Some(histogram) = &self.0 {
            histogram.record(duration.as_secs_f64(), &key_values(labels));
        }
    }
}

/// How many there are.
#[derive(Clone, Debug, Default)]
pub struct Level(Option<Arc<AtomicU64>>);

impl Level {
    /// From now on there are so many.
    pub fn set(&self, number: u64) {
        if let Some(level) = &self.0 {
            level.store(number, Ordering::Relaxed);
        }
    }

    /// One more, until the result is dropped.
    pub fn enter(&self) -> Entered {
        if let Some(level) = &self.0 {
            level.fetch_add(1, Ordering::Relaxed);
        }
        Entered(self.clone())
    }
}

/// One of those who are there.
#[derive(Debug)]
pub struct Entered(Level);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(level) = &self.0.0 {
            level.fetch_sub(1, Ordering::Relaxed);
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
    fn metrics_are_scraped_by_the_names_they_were_given() {
        let metrics = Metrics::start().unwrap();
        let meter = metrics.meter();
        let rows = meter.counter_by("muster_test_rows_total", "Rows.", "outcome", &["created", "failed"]);
        rows.add(3, &[("outcome", "created")]);
        let running = meter.level("muster_test_running", "Running.");
        let entered = running.enter();
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
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        drop(entered);
        assert!(metrics.scrape().contains("muster_test_running 0"));
    }

    #[test]
    fn handles_of_nothing_do_nothing() {
        let meter = Meter::default();
        meter.counter("muster_test_total", "").add(1, &[]);
        drop(meter.level("muster_test_running", "").enter());
    }
}
