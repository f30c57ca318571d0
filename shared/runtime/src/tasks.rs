//! Named tasks with an owner.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of one service. The owner that starts them also waits for them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    in_place: bool,
}

/// Blocking work did not finish: it panicked, or the runtime is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("blocking work panicked or was aborted by the shutdown of the runtime")]
pub struct BlockingWorkAborted;

impl Tasks {
    /// Creates an owner without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an owner without tasks that runs blocking work on the calling thread, so that a simulation executes
    /// everything on one thread in a deterministic order.
    pub fn in_place() -> Self {
        Self { in_place: true, ..Self::default() }
    }

    /// Spawns a task in the current span. It continues to run if its handle is dropped. A panic is logged with the
    /// name of the task.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_detached(name, future.in_current_span())
    }

    /// Spawns a task outside the current span. For tasks that outlive the operation that spawns them, because a span
    /// ends only after all of its tasks.
    pub fn spawn_detached<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        #[expect(clippy::disallowed_methods, reason = "this is the only place that spawns tasks")]
        let inner = tokio::spawn(future);
        let watch = async move {
            match inner.await {
                Ok(output) => output,
                Err(error) => {
                    if error.is_panic() {
                        tracing::error!(task = name, "a task panicked");
                        std::panic::resume_unwind(error.into_panic());
                    }
                    // The runtime is shutting down and will drop this task too.
                    std::future::pending().await
                }
            }
        };
        self.tracker.spawn(watch)
    }

    /// Runs work that blocks or computes for long on the pool of blocking threads.
    pub async fn blocking<T, F>(&self, work: F) -> Result<T, BlockingWorkAborted>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.in_place {
            return Ok(work());
        }
        #[expect(clippy::disallowed_methods, reason = "this is the only place that uses the pool")]
        let work = tokio::task::spawn_blocking(work);
        work.await.map_err(|_| BlockingWorkAborted)
    }

    /// Runs work that blocks for long on a thread of its own, which may wait for futures. The few threads of the pool are
    /// for short work.
    pub async fn on_own_thread<T, F>(&self, name: &str, work: F) -> Result<T, BlockingWorkAborted>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if self.in_place {
            return Ok(work());
        }
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let (runtime, span) = (tokio::runtime::Handle::current(), tracing::Span::current());
        let work = move || {
            let _runtime = runtime.enter();
            // The result does not matter if the caller has gone.
            let _ = sender.send(span.in_scope(work));
        };
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        started.map_err(|_| BlockingWorkAborted)?;
        receiver.await.map_err(|_| BlockingWorkAborted)
    }

    /// Returns the number of running tasks.
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits up to `limit` until all tasks have ended. Returns whether they have.
    pub async fn wait(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blocking_work_runs_on_the_pool_or_in_place() {
        let thread = || std::thread::current().id();
        assert_ne!(Tasks::new().blocking(thread).await.unwrap(), thread());
        assert_eq!(Tasks::in_place().blocking(thread).await.unwrap(), thread());
        let name = || std::thread::current().name().map(str::to_owned);
        assert_eq!(Tasks::new().on_own_thread("reader", name).await.unwrap().as_deref(), Some("reader"));
        assert_eq!(Tasks::in_place().on_own_thread("reader", thread).await.unwrap(), thread());
    }
}
