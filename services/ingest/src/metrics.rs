//! Metrics of uploads, splits and repairs.

use muster_domain::JobState;
use muster_telemetry::metrics::LONG_SECONDS;
use muster_telemetry::{Counter, Gauge, Histogram, Meter};

/// The metrics of the service. The default value records nothing.
#[derive(Clone, Debug, Default)]
pub struct IngestMetrics {
    meter: Meter,
    pub(crate) uploads: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) batches_published: Counter,
    pub(crate) splits: Counter,
    pub(crate) splits_running: Gauge,
    pub(crate) split_seconds: Histogram,
    jobs_finished: Counter,
    repairs: Counter,
    leads: Gauge,
    pub(crate) dead_letters: Gauge,
}

/// An action of the reconciler.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repair {
    SplitRequested,
    SplitRestarted,
    Finished,
    Stopped,
    CountersRebuilt,
    DeadRemoved,
    DeadReplayed,
    UploadSwept,
    UploadRemoved,
}

impl Repair {
    const ALL: [Self; 9] = [
        Self::SplitRequested,
        Self::SplitRestarted,
        Self::Finished,
        Self::Stopped,
        Self::CountersRebuilt,
        Self::DeadRemoved,
        Self::DeadReplayed,
        Self::UploadSwept,
        Self::UploadRemoved,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::SplitRequested => "split_requested",
            Self::SplitRestarted => "split_restarted",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::CountersRebuilt => "counters_rebuilt",
            Self::DeadRemoved => "dead_removed",
            Self::DeadReplayed => "dead_replayed",
            Self::UploadSwept => "upload_swept",
            Self::UploadRemoved => "upload_removed",
        }
    }
}

impl IngestMetrics {
    /// Registers the metrics.
    pub fn new(meter: &Meter) -> Self {
        let jobs = "Jobs that this service moved to a final state, by state.";
        let states = [JobState::Success, JobState::Failed, JobState::Canceled].map(JobState::as_str);
        let outcomes = ["accepted", "repeated", "refused", "unavailable"];
        let repairs = Repair::ALL.map(Repair::as_str);
        Self {
            meter: meter.clone(),
            uploads: meter.labeled_counter("muster_ingest_uploads_total", "Uploads, by outcome.", "outcome", &outcomes),
            upload_bytes: meter.counter("muster_ingest_upload_bytes_total", "Bytes of stored uploads, as received."),
            batches_published: meter.labeled_counter(
                "muster_ingest_batches_published_total",
                "Batches that the queue has confirmed, by lane.",
                "lane",
                &["small", "bulk"],
            ),
            splits: meter.labeled_counter(
                "muster_ingest_splits_total",
                "Splits that ended, by outcome.",
                "outcome",
                &["done", "interrupted"],
            ),
            splits_running: meter.gauge("muster_ingest_splits_running", "Splits in progress."),
            split_seconds: meter.seconds(
                "muster_ingest_split_seconds",
                "Time from the lease of a split to the end of its file.",
                &LONG_SECONDS,
            ),
            jobs_finished: meter.labeled_counter("muster_ingest_jobs_finished_total", jobs, "state", &states),
            repairs: meter.labeled_counter(
                "muster_ingest_repairs_total",
                "Actions of the reconciler, by action.",
                "action",
                &repairs,
            ),
            leads: meter.gauge("muster_ingest_reconciler_leads", "1 in the process that reconciles, 0 in the others."),
            dead_letters: meter.gauge(
                "muster_ingest_dead_letters",
                "Dead letters at the last check; 0 in processes that do not reconcile.",
            ),
        }
    }

    pub(crate) fn count_finished(&self, state: JobState) {
        self.jobs_finished.add(1, &[("state", state.as_str())]);
    }

    pub(crate) fn count_repair(&self, repair: Repair) {
        self.repairs.add(1, &[("action", repair.as_str())]);
    }

    /// Shows whether this process reconciles. If it does not, another process shows the number of dead letters.
    pub(crate) fn set_leads(&self, leads: bool) {
        self.leads.set(leads.into());
        if !leads {
            self.dead_letters.set(0);
        }
    }

    /// Shows how many batches are outstanding: published by this process and not applied.
    pub(crate) fn watch_outstanding(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.meter.watch(
            "muster_ingest_batches_outstanding",
            "Batches that this process has published and that are not applied yet.",
            read,
        );
    }
}
