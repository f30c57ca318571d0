//! The servers of the system, as far as the services see them: fakes that fail and delay as the plan says.

pub(crate) mod broker;
pub(crate) mod counters;
pub(crate) mod raw_store;
pub(crate) mod store;
pub(crate) mod truth;
