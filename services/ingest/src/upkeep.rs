//! What keeps jobs moving and storage bounded, in one process at a time.
//!
//! | module | content |
//! | --- | --- |
//! | [`reconcile`] | the reconciler: repairs what was interrupted, and runs the others |
//! | [`dead_letters`] | removes or replays dead letters |
//! | [`sweep`] | removes stored uploads that no job knows |
//! | [`retention`] | removes what has been kept long enough of final jobs |

mod dead_letters;
pub(crate) mod reconcile;
mod retention;
mod sweep;
