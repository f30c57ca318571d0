//! The long-running commands.

pub(crate) mod embedded;
pub(crate) mod ingest;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod worker;
