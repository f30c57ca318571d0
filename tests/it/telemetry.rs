//! What an operator sees: traces, metrics, health checks.

mod collector;
mod health;
mod metrics;
mod traces;

use muster_testkit::Program;

/// The URL at which a process serves metrics and health checks. The process needs [`metrics_variable`].
async fn metrics_url(program: &mut Program) -> String {
    program.wait_for_log("metrics ready", "address").await
}

/// The variable that makes a process serve metrics and health checks on a free port.
fn metrics_variable() -> (String, String) {
    ("MUSTER_METRICS_LISTEN".to_owned(), "127.0.0.1:0".to_owned())
}
