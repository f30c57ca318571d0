//! What is counted of batches and their rows.

use muster_domain::{Counts, JobState};
use muster_telemetry::metrics::SHORT_SECONDS;
use muster_telemetry::{Counter, Histogram, Level, Meter};

/// The metrics of the service; those of the default one record nothing.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics {
    batches: Counter,
    rows: Counter,
    pub(crate) batch_seconds: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) batches_running: Level,
    pub(crate) slots: Level,
    pub(crate) database_retries: Counter,
    pub(crate) counting_failures: Counter,
    jobs_finished: Counter,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its rows are in the database.
    Applied,
    /// They were there already.
    Before,
    /// Its job does not run any more.
    NotRunning,
    /// It is a dead letter now.
    Rejected,
    /// It comes again.
    GivenBack,
}

impl Outcome {
    const ALL: [Self; 5] = [Self::Applied, Self::Before, Self::NotRunning, Self::Rejected, Self::GivenBack];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Before => "before",
            Self::NotRunning => "not_running",
            Self::Rejected => "rejected",
            Self::GivenBack => "given_back",
        }
    }
}

impl WorkerMetrics {
    /// The instruments.
    pub fn new(meter: &Meter) -> Self {
        let rows = ["created", "updated", "unchanged", "failed"];
        let states = [JobState::Success, JobState::Failed, JobState::Canceled].map(JobState::as_str);
        let outcomes = Outcome::ALL.map(Outcome::as_str);
        let jobs = "Jobs that this service brought to their final state, by state.";
        Self {
            batches: meter.counter_by("muster_worker_batches_total", "Batches, by outcome.", "outcome", &outcomes),
            rows: meter.counter_by(
                "muster_worker_rows_total",
                "Rows of applied batches, by outcome.",
                "outcome",
                &rows,
            ),
            batch_seconds: meter.seconds(
                "muster_worker_batch_seconds",
                "Time from the delivery of a batch until it is settled.",
                &SHORT_SECONDS,
            ),
            commit_seconds: meter.seconds(
                "muster_worker_commit_seconds",
                "Time of the transaction of a batch.",
                &SHORT_SECONDS,
            ),
            batches_running: meter.level("muster_worker_batches_running", "Batches that are under way."),
            slots: meter.level("muster_worker_slots", "Batches that may be under way."),
            database_retries: meter.counter(
                "muster_worker_database_retries_total",
                "How often a batch waited because the database was not available.",
            ),
            counting_failures: meter.counter(
                "muster_worker_counting_failures_total",
                "Batches that were applied and not counted; the reconciler counts them.",
            ),
            jobs_finished: meter.counter_by("muster_worker_jobs_finished_total", jobs, "state", &states),
        }
    }

    pub(crate) fn batch(&self, outcome: Outcome) {
        self.batches.add(1, &[("outcome", outcome.as_str())]);
    }

    pub(crate) fn rows(&self, counts: &Counts) {
        let Counts { created, updated, unchanged, failed, .. } = *counts;
        for (outcome, rows) in
            [("created", created), ("updated", updated), ("unchanged", unchanged), ("failed", failed)]
        {
            if rows > 0 {
                self.rows.add(rows, &[("outcome", outcome)]);
            }
        }
    }

    pub(crate) fn finished(&self, state: JobState) {
        self.jobs_finished.add(1, &[("state", state.as_str())]);
    }
}
