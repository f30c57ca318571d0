//! The clock of the database, as seen by one split.

use tokio::time::Instant;

/// The time at which the database granted a lease, and how long ago that was. So the times of all splitters can be
/// compared, whatever the clocks of their machines say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DatabaseClock {
    leased_ms: i64,
    leased_at: Instant,
}

impl DatabaseClock {
    /// A clock for a lease that was granted at `leased_ms` by the clock of the database, a moment ago.
    pub(crate) fn new(leased_ms: i64) -> Self {
        Self { leased_ms, leased_at: Instant::now() }
    }

    /// Now, in milliseconds since 1970.
    pub(crate) fn now_ms(self) -> i64 {
        self.leased_ms.saturating_add(i64::try_from(self.leased_at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}
