//! Tasks with a name and an owner.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of one service. Whoever starts them waits for them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that goes on even if nobody waits for its handle. A panic in it is logged
    /// with the task's name.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts tasks")]
        let inner = tokio::spawn(future.in_current_span());
        let watch = async move {
            match inner.await {
                Ok(output) => output,
                Err(error) => {
                    if error.is_panic() {
                        tracing::error!(task = name, "a task panicked");
                        std::panic::resume_unwind(error.into_panic());
                    }
                    // The runtime is going down; the watcher goes with it.
                    std::future::pending().await
                }
            }
        };
        self.tracker.spawn(watch)
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all tasks have ended, at most for `limit`. Says whether they have.
    pub async fn wait(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}
