//! The store on PostgreSQL.
//!
//! Each statement is a file in a folder of `queries/`, with the same name in `shared/sqlite`; [`sql`] lists them, and
//! [`statements`] completes those that name the columns of users. The migrations are in `migrations/` and are only ever
//! added to. The one long transaction, that of a batch, is in [`apply`].
//!
//! Transactions run in tasks of the store's own, never in the caller's future: dropping a COPY or BEGIN before it ends
//! would leave its connection in an unknown state. Deadlines inside a transaction are the server's
//! (`statement_timeout`, `lock_timeout`, `idle_in_transaction_session_timeout`); the client's is longer, and when it
//! passes, the connection is closed, not returned to the pool.
//!
//! Errors carry SQLSTATEs and names of constraints. The server's messages can hold values and are dropped.

mod apply;
mod connection;
mod ledger;
mod migrate;
mod missing;
mod rekey;
mod signals;
pub mod sql;
pub mod statements;
mod store;

pub use store::{PostgresConfig, PostgresStore};
