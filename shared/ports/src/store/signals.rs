//! Notifications about the progress of jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_domain::JobId;
use tokio::sync::watch;

/// The longest wait for a notification before the caller queries again.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Passes notifications on to those who wait for a job. A notification wakes nobody who waits for another job.
#[derive(Clone, Debug, Default)]
pub struct SignalHub {
    jobs: Arc<Mutex<HashMap<JobId, watch::Sender<()>>>>,
}

impl SignalHub {
    /// Subscribes to the progress of a job.
    pub fn subscribe(&self, job: JobId) -> Signals {
        let receiver = self.lock().entry(job).or_default().subscribe();
        Signals { hub: self.clone(), job, receiver }
    }

    /// Wakes those who wait for the job.
    pub fn notify(&self, job: JobId) {
        if let Some(sender) = self.lock().get(&job) {
            sender.send_replace(());
        }
    }

    /// Wakes everybody, because notifications may have been lost.
    pub fn notify_all(&self) {
        for sender in self.lock().values() {
            sender.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, watch::Sender<()>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscription to the progress of a job: a batch was applied, or the job became final.
///
/// Notifications may be lost, so a waiting caller must also query at least once a second.
#[derive(Debug)]
pub struct Signals {
    hub: SignalHub,
    job: JobId,
    receiver: watch::Receiver<()>,
}

impl Signals {
    /// Waits until the job makes progress, but no longer than a second. Returns at once if it has made progress since
    /// the last call.
    pub async fn progress(&mut self) {
        self.progress_within(MAX_WAIT).await;
    }

    /// Like [`progress`](Self::progress), with another maximum.
    pub async fn progress_within(&mut self, max_wait: Duration) {
        let _ = tokio::time::timeout(max_wait, self.receiver.changed()).await;
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let mut jobs = self.hub.lock();
        // The last subscriber removes the entry.
        if jobs.get(&self.job).is_some_and(|sender| sender.receiver_count() <= 1) {
            jobs.remove(&self.job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_wakes_only_those_who_wait_for_its_job() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let hub = SignalHub::default();
            let (mut one, mut two) = (hub.subscribe(JobId(1)), hub.subscribe(JobId(2)));
            hub.notify(JobId(1));
            let started = tokio::time::Instant::now();
            one.progress().await;
            assert_eq!(started.elapsed(), Duration::ZERO, "it was notified before it waited");
            two.progress().await;
            assert_eq!(started.elapsed(), MAX_WAIT);
            drop(one);
            assert_eq!(hub.lock().len(), 1, "no subscription to job 1 is left");
        });
    }
}
