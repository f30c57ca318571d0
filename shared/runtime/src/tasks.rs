//! Tasks with a name and an owner.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of one service. Whoever starts them waits for them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    in_place: bool,
}

/// A piece of blocking work did not come to its end: it panicked, or the runtime is going down.
#[derive(Debug, thiserror::Error)]
#[error("a piece of blocking work did not come to its end")]
pub struct Interrupted;

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No tasks yet. Their blocking work is done where it is asked for, so that one thread does
    /// everything in one order: for simulations.
    pub fn in_place() -> Self {
        Self { in_place: true, ..Self::default() }
    }

    /// Starts a task that goes on even if nobody waits for its handle. A panic in it is logged
    /// with the task's name. What it does is part of the current span.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_apart(name, future.in_current_span())
    }

    /// Starts a task that is no part of the current span, because it outlives what asked for it: the
    /// span would not end before it.
    pub fn spawn_apart<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts tasks")]
        let inner = tokio::spawn(future);
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

    /// Does work that takes a while without waiting, on the pool of blocking threads.
    pub async fn blocking<T, F>(&self, work: F) -> Result<T, Interrupted>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.in_place {
            return Ok(work());
        }
        #[expect(clippy::disallowed_methods, reason = "this is the one place that uses the pool")]
        let work = tokio::task::spawn_blocking(work);
        work.await.map_err(|_| Interrupted)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_is_done_on_the_pool_or_in_place() {
        let thread = || std::thread::current().id();
        assert_ne!(Tasks::new().blocking(thread).await.unwrap(), thread());
        assert_eq!(Tasks::in_place().blocking(thread).await.unwrap(), thread());
    }
}
