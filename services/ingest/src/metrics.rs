//! What is counted of uploads, splits and repairs.

use muster_domain::JobState;
use muster_telemetry::metrics::LONG_SECONDS;
use muster_telemetry::{Counter, Histogram, Level, Meter};

/// The metrics of the service; those of the default one record nothing.
#[derive(Clone, Debug, Default)]
pub struct IngestMetrics {
    meter: Meter,
    pub(crate) uploads: Counter,
    pub(crate) upload_bytes: Counter,
    pub(crate) batches_published: Counter,
    pub(crate) splits: Counter,
    pub(crate) splits_running: Level,
    pub(crate) split_seconds: Histogram,
    jobs_finished: Counter,
    repairs: Counter,
    leads: Level,
    pub(crate) dead_letters: Level,
}

/// What the reconciler does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Repair {
    Rung,
    CutAgain,
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
        Self::Rung,
        Self::CutAgain,
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
            Self::Rung => "rung",
            Self::CutAgain => "cut_again",
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
    /// The instruments.
    pub fn new(meter: &Meter) -> Self {
        let jobs = "Jobs that this service brought to their final state, by state.";
        let states = [JobState::Success, JobState::Failed, JobState::Canceled].map(JobState::as_str);
        let outcomes = ["accepted", "repeated", "refused", "unavailable"];
        let repairs = Repair::ALL.map(Repair::as_str);
        Self {
            meter: meter.clone(),
            uploads: meter.counter_by("muster_ingest_uploads_total", "Uploads, by outcome.", "outcome", &outcomes),
            upload_bytes: meter.counter("muster_ingest_upload_bytes_total", "Bytes of stored uploads, as received."),
            batches_published: meter.counter_by(
                "muster_ingest_batches_published_total",
                "Batches that the queue has taken, by lane.",
                "lane",
                &["small", "bulk"],
            ),
            splits: meter.counter_by(
                "muster_ingest_splits_total",
                "Splits that ended, by outcome.",
                "outcome",
                &["done", "interrupted"],
            ),
            splits_running: meter.level("muster_ingest_splits_running", "Splits that are under way."),
            split_seconds: meter.seconds(
                "muster_ingest_split_seconds",
                "Time from the lease of a split to the end of its file.",
                &LONG_SECONDS,
            ),
            jobs_finished: meter.counter_by("muster_ingest_jobs_finished_total", jobs, "state", &states),
            repairs: meter.counter_by("muster_ingest_repairs_total", "What the reconciler did.", "action", &repairs),
            leads: meter.level("muster_ingest_reconciler_leads", "1 in the process that reconciles."),
            dead_letters: meter.level(
                "muster_ingest_dead_letters",
                "Dead letters at the last look; 0 in processes that do not reconcile.",
            ),
        }
    }

    pub(crate) fn finished(&self, state: JobState) {
        self.jobs_finished.add(1, &[("state", state.as_str())]);
    }

    pub(crate) fn repaired(&self, repair: Repair) {
        self.repairs.add(1, &[("action", repair.as_str())]);
    }

    /// Shows whether this process reconciles. What it knew of dead letters is another's to know otherwise.
    pub(crate) fn leads(&self, leads: bool) {
        self.leads.set(leads.into());
        if !leads {
            self.dead_letters.set(0);
        }
    }

    /// Shows how many published batches of this process are not applied.
    pub(crate) fn watch_outstanding(&self, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.meter.watch(
            "muster_ingest_batches_outstanding",
            "Batches that this process has published and that are not applied.",
            read,
        );
    }
}
