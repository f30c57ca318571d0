//! The store on SQLite, for the embedded mode: no server to install.
//!
//! One thread writes and a few read, each with its own connection; callers send them closures. The folder is locked, so
//! that no second process can use it: the one writer replaces the row locks of Postgres, and leases only order the
//! tasks of this process.
//!
//! Each statement is a file in a folder of `queries/`, with the same name in `shared/postgres`; a difference begins
//! with a comment that says why. WAL with `synchronous=FULL`: what was committed survives a power cut.

mod apply;
mod connection;
mod hand_over;
mod ledger;
mod migrate;
mod missing;
mod rekey;
pub mod sql;
pub mod statements;
mod store;
mod user;
mod waiting;

pub use store::{OpenError, SqliteStore};
