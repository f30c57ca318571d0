//! The CPU time and the memory that processes use.

pub(crate) mod cpu;
pub(crate) mod memory;
