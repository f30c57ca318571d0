//! The counters on Redis.
//!
//! Two keys for each job: a bitmap of counted batches, in which bit 0 is a sentinel, and a hash of
//! totals with a sentinel of its own. Redis may lose either at any moment, so the script that
//! counts refuses unless both sentinels are there; the caller then rebuilds the view from the
//! ledger. A rebuild carries the bitmap of its snapshot and does nothing if a view exists.

mod counters;

pub use counters::{RedisConfig, RedisCounters};
