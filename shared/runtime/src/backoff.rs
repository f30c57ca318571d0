//! Endless capped exponential backoff with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Waiting times that grow to a cap, spread so that many clients do not come back at once.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    current: ExponentialBackoff,
    max: Duration,
}

impl Backoff {
    /// Begins at `min` and doubles up to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        let builder =
            ExponentialBuilder::default().with_min_delay(min).with_max_delay(max).with_jitter().without_max_times();
        Self { builder, current: builder.build(), max }
    }

    /// For servers that went away: 0.2 s to 15 s.
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(15))
    }

    /// Waits for the next, longer time.
    pub async fn wait(&mut self) {
        let delay = self.current.next().unwrap_or(self.max);
        tokio::time::sleep(delay).await;
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.current = self.builder.build();
    }
}
