//! What services ask of the outside, as traits; adapters answer.
//!
//! The calls are coarse, one for a batch and never one for a row, so that dynamic dispatch costs
//! nothing. Each port comes with a contract suite in `tests/it`, which every adapter passes.
//!
//! Errors are for branching: [`StoreError::is_transient`] says whether to try again. They carry
//! codes, never statement texts or values, because those hold data about people.

mod counters;
mod dead;
mod error;
mod finish;
mod job;
mod queue;
mod rawstore;
mod store;
mod tenant;

pub use counters::{Counters, LedgerView, Recorded, View};
pub use dead::{DeadLetter, DeadLetters, Letters};
pub use error::{BoxError, CountersError, QueueError, RawStoreError, StoreError};
pub use finish::finish_and_ring;
pub use job::{
    Applied, BatchToApply, Cancellation, CreatedJob, Creation, CutRules, Deletion, FinishedJob, Idempotency, JobFilter,
    JobRules, JobView, Lease, LedgerTotals, NewJob, PageAfter, RawFile, SplitEnd, SplitJob,
};
pub use queue::{Consumer, Delivery, Publisher, Queue, QueueName, Settle};
pub use rawstore::{RawReader, RawStore, RawUpload, StoredUpload};
pub use store::{Batches, Jobs, Reports, Retention, Signals, Splits, Store, Tenants, Upkeep};
pub use tenant::{
    Grant, MissingUsers, NewToken, Scope, ShortRows, TenantRecord, TenantSettings, TokenRecord, UserRecord,
};
