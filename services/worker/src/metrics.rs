//! Metrics of batches and their rows.

use muster_domain::{Counts, JobState};
use muster_telemetry::metrics::SHORT_SECONDS;
use muster_telemetry::{Counter, Gauge, Histogram, Meter};

/// The metrics of the service. The default value records nothing.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics {
    batches: Counter,
    rows: Counter,
    pub(crate) batch_seconds: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) batches_running: Gauge,
    pub(crate) slots: Gauge,
    pub(crate) database_retries: Counter,
    pub(crate) counting_failures: Counter,
    jobs_finished: Counter,
}

/// The result of processing a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchResult {
    /// Its rows and its ledger row are committed.
    Applied,
    /// It was in the ledger already.
    AlreadyApplied,
    /// Its job is deleted, final or being stopped.
    NotRunning,
    /// Its message was dead-lettered.
    Rejected,
    /// Its message was moved to the slow lane.
    Moved,
    /// Its message was returned to the queue.
    Returned,
    /// It has more new passwords than the quota of its tenant allows in this hour.
    Postponed,
}

impl BatchResult {
    const ALL: [Self; 7] = [
        Self::Applied,
        Self::AlreadyApplied,
        Self::NotRunning,
        Self::Rejected,
        Self::Moved,
        Self::Returned,
        Self::Postponed,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::AlreadyApplied => "already_applied",
            Self::NotRunning => "not_running",
            Self::Rejected => "rejected",
            Self::Moved => "moved",
            Self::Returned => "returned",
            Self::Postponed => "postponed",
        }
    }
}

impl WorkerMetrics {
    /// Creates the instruments.
    pub fn new(meter: &Meter) -> Self {
        let rows = ["created", "updated", "unchanged", "failed"];
        let states = [JobState::Success, JobState::Failed, JobState::Canceled].map(JobState::as_str);
        let results = BatchResult::ALL.map(BatchResult::as_str);
        let jobs = "Jobs finished by this service, by final state.";
        Self {
            batches: meter.labeled_counter("muster_worker_batches_total", "Batches, by outcome.", "outcome", &results),
            rows: meter.labeled_counter(
                "muster_worker_rows_total",
                "Rows of applied batches, by outcome.",
                "outcome",
                &rows,
            ),
            batch_seconds: meter.seconds(
                "muster_worker_batch_seconds",
                "Time from receiving a batch to settling its message.",
                &SHORT_SECONDS,
            ),
            commit_seconds: meter.seconds(
                "muster_worker_commit_seconds",
                "Duration of the transaction that applies a batch.",
                &SHORT_SECONDS,
            ),
            batches_running: meter.gauge("muster_worker_batches_running", "Batches being processed."),
            slots: meter.gauge("muster_worker_slots", "Maximum number of batches processed at the same time."),
            database_retries: meter
                .counter("muster_worker_database_retries_total", "Waits of batches for an unavailable database."),
            counting_failures: meter.counter(
                "muster_worker_counting_failures_total",
                "Applied batches missing from the counters until the reconciler adds them.",
            ),
            jobs_finished: meter.labeled_counter("muster_worker_jobs_finished_total", jobs, "state", &states),
        }
    }

    pub(crate) fn count_batch(&self, result: BatchResult) {
        self.batches.add(1, &[("outcome", result.as_str())]);
    }

    pub(crate) fn count_rows(&self, counts: &Counts) {
        let Counts { created, updated, unchanged, failed, .. } = *counts;
        for (outcome, rows) in
            [("created", created), ("updated", updated), ("unchanged", unchanged), ("failed", failed)]
        {
            if rows > 0 {
                self.rows.add(rows, &[("outcome", outcome)]);
            }
        }
    }

    pub(crate) fn count_finished(&self, state: JobState) {
        self.jobs_finished.add(1, &[("state", state.as_str())]);
    }
}
