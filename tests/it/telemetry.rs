//! What an operator sees: traces in a collector, metrics, health.

mod collector;
mod health;
mod metrics;
mod traces;

use muster_testkit::Program;

/// Where a process serves metrics and health, when `MUSTER_METRICS_LISTEN` says so.
async fn watched(program: &mut Program) -> String {
    program.logged("metrics ready", "address").await
}

/// The variable that lets each process serve metrics and health, on a free port.
fn watchable() -> (String, String) {
    ("MUSTER_METRICS_LISTEN".to_owned(), "127.0.0.1:0".to_owned())
}
