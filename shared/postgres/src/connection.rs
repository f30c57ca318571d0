//! Connections, statements and transactions: what a failed call means, and what it does to its connection.

pub(crate) mod database;
pub(crate) mod error;
pub(crate) mod query;
pub(crate) mod session;
pub(crate) mod transaction;
