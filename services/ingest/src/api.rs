//! The two public APIs. Their request rules and response shapes are known only here.

pub(crate) mod collaborator;
pub(crate) mod spigit;
