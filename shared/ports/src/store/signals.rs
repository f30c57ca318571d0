//! Notifications about the progress of jobs.

use std::time::Duration;

use muster_domain::JobId;
use tokio::sync::broadcast;

/// The longest wait for a notification before the caller queries again.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A subscription to the progress of jobs: a batch was applied, or a job became final.
///
/// Notifications may be lost, so a waiting caller must also query at least once a second.
#[derive(Debug)]
pub struct Signals {
    receiver: broadcast::Receiver<JobId>,
}

impl Signals {
    /// Subscribes to a channel of job ids.
    pub fn new(receiver: broadcast::Receiver<JobId>) -> Self {
        Self { receiver }
    }

    /// Waits until the job makes progress, but no longer than a second.
    pub async fn progress(&mut self, job: JobId) {
        let notified = async {
            loop {
                match self.receiver.recv().await {
                    Ok(other) if other != job => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _ = tokio::time::timeout(MAX_WAIT, notified).await;
    }
}
