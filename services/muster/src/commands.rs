//! Commands that need no role of the distributed system.

pub(crate) mod check_config;
pub(crate) mod demo;
pub(crate) mod generate;
