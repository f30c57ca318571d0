//! Repairs interrupted jobs and removes old data, in one process at a time.
//!
//! | module | content |
//! | --- | --- |
//! | [`reconcile`] | the reconciler: repairs what was interrupted, and runs the other modules |
//! | [`repair`] | repairs of single jobs |
//! | [`counters`] | keeps the counters in step with the ledger |
//! | [`dead_letters`] | removes or replays dead letters |
//! | [`sweep`] | removes stored uploads without a job |
//! | [`retention`] | removes what has been kept long enough of final jobs |

mod counters;
mod dead_letters;
pub(crate) mod reconcile;
mod repair;
mod retention;
mod sweep;
