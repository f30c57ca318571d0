//! The scripts that Muster is compared with.

pub(crate) mod psql;
pub(crate) mod sqlite;
