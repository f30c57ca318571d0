//! The store on SQLite, for the embedded mode: no server to install.
//!
//! One thread writes and a few read, each with its own connection; callers send them closures. The
//! folder is locked, so that no second process can be at work: the one writer is the lock that
//! Postgres needs rows for, and leases only order the tasks of this process.
//!
//! Statements are files in `queries/`, named as in `shared/postgres`; a difference begins with a
//! comment that says why. WAL with `synchronous=FULL`: what was committed survives a power cut.

mod apply;
mod error;
mod jobs;
mod migrate;
mod missing;
mod reports;
mod retention;
mod splits;
pub mod sql;
mod store;
mod tenants;
mod threads;
mod upkeep;

pub use store::{OpenError, SqliteStore};
