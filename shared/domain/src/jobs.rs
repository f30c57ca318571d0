//! Jobs: their identifiers, settings, states and results.

pub mod counts;
pub mod file;
pub mod idempotency;
pub mod ids;
pub mod job;
pub mod rejection;
