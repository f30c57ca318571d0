//! The promises of each port, against each adapter.

mod counters;
mod dead;
mod queue;
mod rawstore;
mod sql;
mod store;
mod upkeep;
