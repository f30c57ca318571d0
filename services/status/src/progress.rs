//! The progress of a job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use muster_domain::{Counts, JobId, JobState};
use muster_ports::{Counters, JobView, Queries, StoreError, View};

/// Maximum number of jobs whose last returned view is kept.
const MAX_KEPT_VIEWS: usize = 4096;

/// Where the progress of a job was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The job row.
    Job,
    /// The counters.
    Counters,
    /// The sums over the ledger.
    Ledger,
}

impl Source {
    pub(crate) const ALL: [Self; 3] = [Self::Job, Self::Counters, Self::Ledger];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Counters => "counters",
            Self::Ledger => "ledger",
        }
    }
}

/// Reads the progress of jobs. What it returns for a job never decreases.
pub(crate) struct ProgressReader {
    store: Arc<dyn Queries>,
    counters: Arc<dyn Counters>,
    /// The last view returned for each unfinished job.
    returned: Mutex<HashMap<JobId, View>>,
}

impl ProgressReader {
    pub(crate) fn new(store: Arc<dyn Queries>, counters: Arc<dyn Counters>) -> Self {
        Self { store, counters, returned: Mutex::default() }
    }

    /// Returns what has been applied of a job so far, and where that was read from.
    pub(crate) async fn read(&self, job: &JobView) -> Result<(View, Source), StoreError> {
        if let Some(counts) = job.final_counts {
            self.returned.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
            let bytes = job.applied_bytes.or(job.total_bytes).unwrap_or_default();
            return Ok((View { counts, bytes, batches: 0 }, Source::Job));
        }
        if job.started_ms.is_none() {
            return Ok((View::default(), Source::Job));
        }
        let (view, source) = if let Ok(Some(view)) = self.counters.read(job.id).await {
            (view, Source::Counters)
        } else {
            let totals = self.store.ledger_totals(job.id).await?;
            (View { counts: totals.counts, bytes: totals.bytes, batches: totals.batches }, Source::Ledger)
        };
        Ok((self.keep_monotonic(job.id, view), source))
    }

    /// Returns the view, or the last one if any of its numbers is greater.
    fn keep_monotonic(&self, job: JobId, view: View) -> View {
        let mut returned = self.returned.lock().unwrap_or_else(PoisonError::into_inner);
        if returned.len() >= MAX_KEPT_VIEWS && !returned.contains_key(&job) {
            returned.clear();
        }
        let last = returned.entry(job).or_insert(view);
        if covers(&view, last) {
            *last = view;
        }
        *last
    }
}

/// Whether no number of `view` is smaller than in `last`. Comparing row totals is not enough: `view` may come from
/// counters that lack a batch which `last`, a view of the ledger, includes, and include another one instead.
fn covers(view: &View, last: &View) -> bool {
    let parts = |view: &View| view.counts.to_array().into_iter().chain([view.bytes]);
    parts(view).zip(parts(last)).all(|(now, before)| now >= before)
}

/// The progress of a job as clients see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) counts: Counts,
    pub(crate) total: u64,
    pub(crate) percent: Option<f64>,
    pub(crate) rows_per_second: Option<u64>,
    pub(crate) eta_seconds: Option<u64>,
}

impl Progress {
    pub(crate) fn new(job: &JobView, view: &View) -> Self {
        let processed = view.counts.rows();
        let bytes = job.total_bytes.or(job.plain_bytes);
        let elapsed_ms = job.started_ms.map(|started| job.finished_ms.unwrap_or(job.now_ms) - started);
        let elapsed = elapsed_ms.map(|ms| seconds(ms.max(1).cast_unsigned()));
        let percent = match bytes {
            _ if job.state.is_final() && job.state != JobState::Canceled => Some(100.0),
            Some(0) | None => None,
            Some(bytes) => Some((ratio(view.bytes, bytes) * 1000.0).floor().min(999.0) / 10.0),
        };
        let running_for = elapsed.filter(|_| !job.state.is_final() && view.bytes > 0);
        Self {
            counts: view.counts,
            total: job.total_rows.unwrap_or(0).max(processed),
            percent,
            rows_per_second: elapsed.map(|elapsed| whole(ratio(processed, 1) / elapsed)),
            eta_seconds: running_for
                .zip(bytes)
                .map(|(elapsed, bytes)| whole((ratio(bytes.saturating_sub(view.bytes), view.bytes) * elapsed).ceil())),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a duration for people to read")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never negative, and far from the limits")]
fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_domain::Charset;
    use muster_ports::UnknownNames;

    fn job(state: JobState) -> JobView {
        JobView {
            id: JobId(9),
            state,
            plain_bytes: Some(1000),
            total_bytes: None,
            applied_bytes: None,
            total_rows: None,
            blank_rows: None,
            skipped_lines: None,
            charset: Charset::UTF_8,
            charset_source: None,
            sheet: None,
            unknown_names: UnknownNames::default(),
            file_error: None,
            final_counts: None,
            created_ms: 0,
            started_ms: Some(1000),
            finished_ms: None,
            now_ms: 3000,
            waiting_rows: 0,
            missing_not_blocked: None,
            rejections_removed: false,
        }
    }

    fn view(created: u64, bytes: u64) -> View {
        View { counts: Counts { created, ..Counts::default() }, bytes, batches: 1 }
    }

    #[test]
    fn a_running_job_has_percent_rate_and_eta() {
        let progress = Progress::new(&job(JobState::Processing), &view(10, 250));
        assert_eq!(progress.percent, Some(25.0));
        assert_eq!(progress.rows_per_second, Some(5));
        assert_eq!(progress.eta_seconds, Some(6));
        assert_eq!(progress.total, 10, "the rows applied so far, until the split has ended");
    }

    #[test]
    fn a_job_reaches_100_percent_only_when_it_is_final() {
        let progress = Progress::new(&job(JobState::Processing), &view(10, 1000));
        assert_eq!(progress.percent, Some(99.9));
        let done = JobView { finished_ms: Some(2000), ..job(JobState::Success) };
        let progress = Progress::new(&done, &view(10, 1000));
        assert_eq!((progress.percent, progress.rows_per_second, progress.eta_seconds), (Some(100.0), Some(10), None));
    }

    #[test]
    fn a_canceled_job_shows_how_far_it_came() {
        let canceled = JobView { finished_ms: Some(2000), ..job(JobState::Canceled) };
        assert_eq!(Progress::new(&canceled, &view(10, 160)).percent, Some(16.0));
    }

    #[test]
    fn a_view_covers_another_only_if_no_number_is_smaller() {
        let view = |created, updated, bytes| {
            let counts = Counts { created, updated, ..Counts::default() };
            View { counts, bytes, batches: 2 }
        };
        assert!(covers(&view(9, 5, 700), &view(9, 5, 700)));
        assert!(covers(&view(9, 6, 800), &view(9, 5, 700)));
        assert!(!covers(&view(9, 5, 700), &view(8, 6, 700)), "one more created, one fewer updated");
        assert!(!covers(&view(9, 6, 600), &view(9, 5, 700)), "more rows, but fewer bytes");
    }

    #[test]
    fn a_compressed_file_has_no_percent_until_it_has_been_read() {
        let compressed = JobView { plain_bytes: None, ..job(JobState::Processing) };
        assert_eq!(Progress::new(&compressed, &view(10, 250)).percent, None);
    }
}
