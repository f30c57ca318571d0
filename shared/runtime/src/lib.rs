//! What every service needs to start, to wait and to stop: named tasks, a two-step shutdown,
//! backoff with jitter.

mod backoff;
mod shutdown;
mod tasks;

pub use backoff::Backoff;
pub use shutdown::Shutdown;
pub use tasks::Tasks;
