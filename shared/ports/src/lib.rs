//! The outside systems that services use, as traits. Adapters implement them.
//!
//! The calls are coarse, one per batch and never one per row, so that the cost of dynamic dispatch does not matter.
//! Each port has a contract suite in `tests/it`, which every adapter passes.
//!
//! Errors are made for branching: [`StoreError::is_transient`] says whether a retry may succeed. They carry codes,
//! never statement texts or values, because those contain personal data.

mod counters;
mod dead_letters;
mod error;
mod finish;
mod job;
mod queue;
mod rawstore;
mod split_request;
mod store;
mod tenant;

pub use counters::{Counters, LedgerSnapshot, Recorded, View};
pub use dead_letters::{DeadLetter, DeadLetterCursor, DeadLetters};
pub use error::{BoxError, CountersError, QueueError, RawStoreError, StoreError};
pub use finish::finish_job_and_start_next;
pub use job::{
    Applied, AppliedBatch, BatchStatus, BatchToApply, Cancellation, CreatedJob, Creation, CutRules, Deletion,
    FinishedJob, Idempotency, JobFailure, JobQuery, JobRules, JobView, Lease, LedgerTotals, NewJob, Publication,
    RawFile, RejectionPage, RunningJob, SplitJob, SplitResult, UnknownName, UnknownNames, UploadPosition,
    UploadToRemove, WarningPage,
};
pub use queue::{Consumer, Delivery, Publisher, Queue, QueueDepth, QueueName, Settle};
pub use rawstore::{PACKED_KEY_SUFFIX, RawReader, RawStore, RawUpload, StoredUpload};
pub use split_request::publish_split_request;
pub use store::{Batches, Jobs, Queries, Retention, SignalHub, Signals, Splits, Store, Tenants, Upkeep};
pub use tenant::{
    Grant, KeyClash, MissingUsers, NewToken, Scope, ShortRows, TenantRecord, TenantSettings, TokenRecord, UserKey,
    UserRecord,
};
