//! Unlimited, capped exponential backoff with jitter.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Delays that grow up to a cap, with jitter, so that many clients do not retry at the same moment.
#[derive(Debug)]
pub struct Backoff {
    builder: ExponentialBuilder,
    current: ExponentialBackoff,
    max: Duration,
}

impl Backoff {
    /// Creates a backoff whose delays start at `min` and double up to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        let builder =
            ExponentialBuilder::default().with_min_delay(min).with_max_delay(max).with_jitter().without_max_times();
        Self { builder, current: builder.build(), max }
    }

    /// Creates a backoff for reconnecting to a server: 0.2 s to 15 s.
    pub fn reconnect() -> Self {
        Self::new(Duration::from_millis(200), Duration::from_secs(15))
    }

    /// Waits for the next delay.
    pub async fn wait(&mut self) {
        let delay = self.current.next().unwrap_or(self.max);
        tokio::time::sleep(delay).await;
    }

    /// Starts again at the shortest delay. To be called after a success.
    pub fn reset(&mut self) {
        self.current = self.builder.build();
    }
}
