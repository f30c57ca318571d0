//! How far a job is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use muster_domain::{Counts, JobId};
use muster_ports::{Counters, JobView, Store, StoreError, View};

use crate::StatusDeps;

/// Jobs whose last answer is kept.
const KEPT: usize = 4096;

/// Reads counters, and never answers less than before.
pub(crate) struct Views {
    store: Arc<dyn Store>,
    counters: Arc<dyn Counters>,
    answered: Mutex<HashMap<JobId, View>>,
}

impl Views {
    pub(crate) fn new(deps: &StatusDeps) -> Self {
        let StatusDeps { store, counters, .. } = deps.clone();
        Self { store, counters, answered: Mutex::default() }
    }

    /// What has been done of a job so far, and where that was found.
    pub(crate) async fn of(&self, job: &JobView) -> Result<(View, &'static str), StoreError> {
        if let Some(counts) = job.final_counts {
            self.answered.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
            return Ok((View { counts, bytes: job.total_bytes.unwrap_or_default(), batches: 0 }, "job"));
        }
        if job.started_ms.is_none() {
            return Ok((View::default(), "job"));
        }
        let (view, source) = if let Ok(Some(view)) = self.counters.read(job.id).await {
            (view, "counters")
        } else {
            let totals = self.store.ledger_totals(job.id).await?;
            (View { counts: totals.counts, bytes: totals.bytes, batches: totals.batches }, "ledger")
        };
        Ok((self.at_least_as_before(job.id, view), source))
    }

    fn at_least_as_before(&self, job: JobId, view: View) -> View {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() >= KEPT && !answered.contains_key(&job) {
            answered.clear();
        }
        let kept = answered.entry(job).or_insert(view);
        if is_nowhere_behind(&view, kept) {
            *kept = view;
        }
        *kept
    }
}

/// Counters may lag behind the ledger by other batches than those that were answered from it: the
/// sum alone does not tell.
fn is_nowhere_behind(view: &View, kept: &View) -> bool {
    let parts = |view: &View| view.counts.to_array().into_iter().chain([view.bytes]);
    parts(view).zip(parts(kept)).all(|(now, before)| now >= before)
}

/// The numbers of a job as clients see them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Progress {
    pub(crate) counts: Counts,
    pub(crate) total: u64,
    pub(crate) percent: Option<f64>,
    pub(crate) rows_per_second: Option<u64>,
    pub(crate) eta_seconds: Option<u64>,
}

impl Progress {
    pub(crate) fn of(job: &JobView, view: &View) -> Self {
        let processed = view.counts.rows();
        let bytes = job.total_bytes.or(job.plain_bytes);
        let elapsed_ms = job.started_ms.map(|started| job.finished_ms.unwrap_or(job.now_ms) - started);
        let elapsed = elapsed_ms.map(|ms| seconds(ms.max(1).cast_unsigned()));
        let percent = match bytes {
            _ if job.state.is_final() => Some(100.0),
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
    use muster_domain::JobState;

    fn job(state: JobState) -> JobView {
        JobView {
            id: JobId(9),
            state,
            plain_bytes: Some(1000),
            total_bytes: None,
            total_rows: None,
            file_error: None,
            final_counts: None,
            created_ms: 0,
            started_ms: Some(1000),
            finished_ms: None,
            now_ms: 3000,
            missing_kept: None,
            reports_removed: false,
        }
    }

    fn view(created: u64, bytes: u64) -> View {
        View { counts: Counts { created, ..Counts::default() }, bytes, batches: 1 }
    }

    #[test]
    fn a_running_job_has_percent_rate_and_eta() {
        let progress = Progress::of(&job(JobState::Processing), &view(10, 250));
        assert_eq!(progress.percent, Some(25.0));
        assert_eq!(progress.rows_per_second, Some(5));
        assert_eq!(progress.eta_seconds, Some(6));
        assert_eq!(progress.total, 10, "rows seen so far, while the split runs");
    }

    #[test]
    fn a_job_is_at_a_hundred_percent_only_when_it_is_final() {
        let progress = Progress::of(&job(JobState::Processing), &view(10, 1000));
        assert_eq!(progress.percent, Some(99.9));
        let done = JobView { finished_ms: Some(2000), ..job(JobState::Success) };
        let progress = Progress::of(&done, &view(10, 1000));
        assert_eq!((progress.percent, progress.rows_per_second, progress.eta_seconds), (Some(100.0), Some(10), None));
    }

    #[test]
    fn a_view_of_as_many_rows_may_be_behind() {
        let of = |created, updated, bytes| {
            let counts = Counts { created, updated, ..Counts::default() };
            View { counts, bytes, batches: 2 }
        };
        assert!(is_nowhere_behind(&of(9, 5, 700), &of(9, 5, 700)));
        assert!(is_nowhere_behind(&of(9, 6, 800), &of(9, 5, 700)));
        assert!(!is_nowhere_behind(&of(9, 5, 700), &of(8, 6, 700)), "one created more, one updated fewer");
        assert!(!is_nowhere_behind(&of(9, 6, 600), &of(9, 5, 700)), "longer rows were answered before");
    }

    #[test]
    fn a_compressed_file_has_no_percent_before_it_is_read() {
        let packed = JobView { plain_bytes: None, ..job(JobState::Processing) };
        assert_eq!(Progress::of(&packed, &view(10, 250)).percent, None);
    }
}
