//! The database: the source of truth for tenants, jobs, the ledger and users.
//!
//! One trait per task, so that a service can ask for only the part that it uses.

mod batches;
mod jobs;
mod queries;
mod retention;
mod signals;
mod splits;
mod tenants;
mod upkeep;

pub use batches::Batches;
pub use jobs::Jobs;
pub use queries::Queries;
pub use retention::Retention;
pub use signals::{SignalHub, Signals};
pub use splits::Splits;
pub use tenants::Tenants;
pub use upkeep::Upkeep;

/// Everything that the database does.
pub trait Store: Tenants + Jobs + Splits + Batches + Queries + Upkeep + Retention {}

impl<T: Tenants + Jobs + Splits + Batches + Queries + Upkeep + Retention> Store for T {}
