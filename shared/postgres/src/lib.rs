//! The store on PostgreSQL.
//!
//! Each statement is a file in `queries/`, named alike in `shared/sqlite`; [`sql`] lists them.
//! The migrations are in `migrations/` and are only ever added to. The one long transaction, that
//! of a batch, is in [`apply`].
//!
//! Transactions run in tasks of the store's own, never in the caller's future: a COPY or BEGIN that
//! is dropped half-way would poison its connection. Deadlines inside a transaction are the
//! server's (`statement_timeout`, `lock_timeout`, `idle_in_transaction_session_timeout`); the
//! client's is longer, and when it fires the connection is closed, not returned to the pool.
//!
//! Errors carry SQLSTATEs and names of constraints. The server's messages hold values and are
//! dropped.

mod apply;
mod error;
mod jobs;
mod missing;
mod reports;
mod retention;
mod signals;
mod splits;
pub mod sql;
mod store;
mod tenants;
mod transaction;
mod upkeep;

pub use store::{PostgresConfig, PostgresStore};
