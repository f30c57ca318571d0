//! The contract suites: what each port promises, checked against each of its adapters.

mod counters;
mod dead_letters;
mod fields;
mod queue;
mod raw_store;
mod sql;
mod store;
mod upkeep;
