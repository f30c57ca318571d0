//! Muster seen from outside: real processes, real servers.
//!
//! `contract` runs the suite of each port against each of its adapters; `flow` runs the features on
//! the embedded and on the distributed site; `faults` breaks things; `simulation` runs the services over
//! simulated ports; `telemetry` is what an operator sees, `settings` what `check-config` says; `documents` runs
//! the examples of the documents; `workspace` holds the dependencies to their rules, `containers` the files for
//! Docker.
//! The servers come from `tests/run`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so and ends")]

mod containers;
mod contract;
mod documents;
#[path = "../faults/mod.rs"]
mod faults;
mod flow;
mod settings;
#[path = "../simulation/mod.rs"]
mod simulation;
mod telemetry;
mod workspace;

/// The program under test.
const MUSTER: &str = env!("CARGO_BIN_EXE_muster");
