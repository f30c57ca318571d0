//! Metrics of status responses.

use muster_telemetry::{Counter, Meter};

use crate::progress::Source;

/// The metrics of the service. The default value records nothing.
#[derive(Clone, Debug, Default)]
pub struct StatusMetrics {
    responses: Counter,
}

impl StatusMetrics {
    /// Creates the instruments.
    pub fn new(meter: &Meter) -> Self {
        let sources = Source::ALL.map(Source::as_str);
        let (name, help) = ("muster_status_answers_total", "Job statuses returned, by the source of their progress.");
        Self { responses: meter.labeled_counter(name, help, "source", &sources) }
    }

    pub(crate) fn count_response(&self, source: Source) {
        self.responses.add(1, &[("source", source.as_str())]);
    }
}
