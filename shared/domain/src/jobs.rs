//! Jobs: their identifiers, settings, quotas, states and results.

pub mod counts;
pub mod file;
pub mod idempotency;
pub mod ids;
pub mod job;
pub mod quota;
pub mod rejection;
