//! The threads that hold the connections, the rows that they return, and what a failed call means.

pub(crate) mod error;
pub(crate) mod row;
pub(crate) mod threads;
