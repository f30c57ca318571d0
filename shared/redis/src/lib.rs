//! The counters in Redis.
//!
//! Each job has two keys: a bitmap of counted batches, in which bit 0 is a sentinel, and a hash of totals, which has a
//! sentinel field. Redis may lose either key at any moment, so the script that counts a batch does nothing unless both
//! sentinels are there; the caller then rebuilds the view from the ledger. A rebuild writes the bitmap and the totals
//! of its snapshot, and has no effect if there already is a view.

mod counters;

pub use counters::{RedisConfig, RedisCounters};
