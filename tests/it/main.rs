//! Integration tests: Muster as its clients and operators see it, with real processes and real servers.
//!
//! - `contract`: the suite of each port, run against each of its adapters
//! - `flow`: the features, on the embedded and on the distributed backend
//! - `faults`: processes and servers that fail
//! - `simulation`: the services over simulated ports
//! - `telemetry`: traces, metrics, health checks
//! - `settings`: the output of `muster check-config`
//! - `documents`: the examples of `docs/api.md`, the glossary, the table of log messages
//! - `workspace`: the rules for dependencies between crates
//! - `sources`: no cycles of modules, no dialect where it does not belong
//! - `containers`: the files for Docker
//!
//! `tests/run` starts the servers and runs these tests.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot continue fails by a panic")]

mod containers;
mod contract;
mod documents;
mod faults;
mod flow;
mod settings;
mod simulation;
mod sources;
mod telemetry;
mod workspace;

/// The program under test.
const MUSTER: &str = env!("CARGO_BIN_EXE_muster");
