//! In-process queue and counters for the embedded mode.
//!
//! Nothing here survives the process, and nothing needs to: the job rows and the ledger do, and at startup every
//! unfinished job is split again.

mod counters;
mod queue;

pub use counters::MemoryCounters;
pub use queue::MemoryQueue;
