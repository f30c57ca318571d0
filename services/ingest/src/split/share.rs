//! Shares what the splits of a process may use between small and big jobs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use muster_domain::JobId;
use muster_ports::QueueName;
use tokio::sync::Semaphore;

/// The maximum number of concurrent splits in a process that have more than five batches.
const MAX_BIG_SPLITS: usize = 8;
/// The part of the outstanding batches of a process that only small jobs may use.
const SHARE_OF_SMALL_JOBS: usize = 16;
/// The maximum number of jobs that are remembered as big. One that is not is read again each time it is requested.
const MAX_KNOWN_BIG_JOBS: usize = 10_000;

/// Permits for the outstanding batches of a process. A few are kept for small jobs, so that they do not wait for the
/// batches of big ones.
#[derive(Clone, Debug)]
pub(crate) struct TotalWindow {
    small: Arc<Semaphore>,
    big: Arc<Semaphore>,
    total: usize,
}

impl TotalWindow {
    pub(crate) fn new(total: usize) -> Self {
        let small = (total / SHARE_OF_SMALL_JOBS).max(1);
        let big = total.saturating_sub(small).max(1);
        Self { small: Arc::new(Semaphore::new(small)), big: Arc::new(Semaphore::new(big)), total: small + big }
    }

    /// The permits for the batches of a lane.
    pub(crate) fn permits(&self, lane: QueueName) -> &Arc<Semaphore> {
        if lane == QueueName::BatchSmall { &self.small } else { &self.big }
    }

    /// The number of outstanding batches.
    pub(crate) fn outstanding(&self) -> usize {
        self.total - self.small.available_permits() - self.big.available_permits()
    }
}

/// Permits for the splits of big jobs, and the jobs that turned out to be big and got none. Their files are not read
/// again before there is a permit.
#[derive(Debug)]
pub(crate) struct BigSplits {
    pub(crate) permits: Arc<Semaphore>,
    waiting: Mutex<HashSet<JobId>>,
}

impl BigSplits {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_BIG_SPLITS)), waiting: Mutex::default() }
    }

    /// Whether a job is known to be big and could not be split now.
    pub(crate) fn must_wait(&self, job: JobId) -> bool {
        self.permits.available_permits() == 0 && self.lock().contains(&job)
    }

    /// Remembers a job that turned out to be big and got no permit.
    pub(crate) fn add_waiting(&self, job: JobId) {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_KNOWN_BIG_JOBS {
            // Most of them have been canceled, or were split by another process.
            waiting.clear();
        }
        waiting.insert(job);
    }

    /// Forgets a job that got a permit.
    pub(crate) fn remove_waiting(&self, job: JobId) {
        self.lock().remove(&job);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<JobId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn big_jobs_leave_a_part_of_the_window_to_small_ones() {
        let window = TotalWindow::new(512);
        let big = window.permits(QueueName::Batch).clone().try_acquire_many_owned(480).unwrap();
        assert!(window.permits(QueueName::Batch).try_acquire().is_err());
        assert!(window.permits(QueueName::BatchSmall).try_acquire_many(32).is_ok());
        assert_eq!(window.outstanding(), 480);
        drop(big);
        let least = TotalWindow::new(1);
        assert!(least.permits(QueueName::Batch).try_acquire().is_ok());
        assert!(least.permits(QueueName::BatchSmall).try_acquire().is_ok());
    }

    #[test]
    fn a_job_known_to_be_big_waits_only_while_there_is_no_permit() {
        let splits = BigSplits::new();
        splits.add_waiting(JobId(1));
        assert!(!splits.must_wait(JobId(1)));
        let all = splits.permits.clone().try_acquire_many_owned(8).unwrap();
        assert!(splits.must_wait(JobId(1)) && !splits.must_wait(JobId(2)));
        drop(all);
        assert!(!splits.must_wait(JobId(1)));
    }
}
