//! A stop in two steps: first no new work, then no work at all.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Says when to stop. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// A shutdown that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a stop: running work may finish, new work is not begun.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Ends running work too.
    pub fn force(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether a stop was asked for.
    pub fn has_begun(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Waits until a stop is asked for.
    pub async fn begun(&self) {
        self.soft.cancelled().await;
    }

    /// Waits until running work is to end.
    pub async fn forced(&self) {
        self.hard.cancelled().await;
    }

    /// Runs a future until it ends or a stop is asked for, whatever comes first.
    pub async fn unless_begun<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.soft.run_until_cancelled(future).await
    }

    /// Follows SIGTERM and SIGINT: the first begins the stop, and after `drain` or on a second
    /// signal the stop is forced. Returns once it is.
    pub async fn follow_signals(&self, drain: Duration) -> std::io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = self.begun() => {}
        }
        tracing::info!(drain_seconds = drain.as_secs(), "stopping: running work may finish");
        self.begin();
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(drain) => {}
            () = self.forced() => return Ok(()),
        }
        tracing::warn!("stopping now: unfinished work goes back to the queue");
        self.force();
        Ok(())
    }
}
