//! A shutdown in two steps: first no new work is started, then running work is aborted.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Notifies tasks when to stop. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Creates a shutdown that is not requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests the shutdown: running work may finish, no new work is started.
    pub fn request(&self) {
        self.soft.cancel();
    }

    /// Forces the shutdown: running work is aborted.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Returns whether the shutdown was requested.
    pub fn is_requested(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Waits until the shutdown is requested.
    pub async fn requested(&self) {
        self.soft.cancelled().await;
    }

    /// Waits until the shutdown is forced.
    pub async fn forced(&self) {
        self.hard.cancelled().await;
    }

    /// Runs a future until it ends. Returns `None` if the shutdown is requested before that.
    pub async fn run_until_requested<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.soft.run_until_cancelled(future).await
    }

    /// Handles SIGTERM and SIGINT. The first signal requests the shutdown; a second signal, or the end of `drain`,
    /// forces it. Returns once the shutdown is forced.
    pub async fn handle_signals(&self, drain: Duration) -> std::io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = self.requested() => {}
        }
        tracing::info!(drain_seconds = drain.as_secs(), "stopping: running work may finish");
        self.request();
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(drain) => {}
            () = self.forced() => return Ok(()),
        }
        tracing::warn!("stopping now: unfinished work returns to the queue");
        self.force();
        Ok(())
    }
}
