//! Where answers come from.

use muster_telemetry::{Counter, Meter};

/// The metrics of the service; those of the default one record nothing.
#[derive(Clone, Debug, Default)]
pub struct StatusMetrics {
    answers: Counter,
}

impl StatusMetrics {
    /// The instruments.
    pub fn new(meter: &Meter) -> Self {
        let (name, help) = ("muster_status_answers_total", "States of jobs that were answered, by their source.");
        Self { answers: meter.counter_by(name, help, "source", &["job", "counters", "ledger"]) }
    }

    pub(crate) fn answered(&self, source: &str) {
        self.answers.add(1, &[("source", source)]);
    }
}
