//! What every service needs to start, wait and stop: named tasks, a two-step shutdown, backoff with jitter, shared
//! queries, and fail points for tests.

mod backoff;
#[cfg(feature = "failpoints")]
pub mod failpoint;
mod shutdown;
mod single_flight;
mod tasks;

pub use backoff::Backoff;
pub use shutdown::Shutdown;
pub use single_flight::SingleFlight;
pub use tasks::{BlockingWorkAborted, Tasks};

/// Marks a point at which a test can stop, delay or kill the process. Expands to nothing in other builds.
///
/// `failpoint!("name")` awaits; `failpoint!(blocking "name")` is for code that cannot await.
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    (blocking $name:literal) => {
        $crate::failpoint::reach_blocking($name)
    };
    ($name:literal) => {
        $crate::failpoint::reach($name).await
    };
}

/// Marks a point at which a test can stop, delay or kill the process. Expands to nothing in other builds.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($($name:tt)*) => {};
}
