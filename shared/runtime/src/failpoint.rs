//! Named points at which a test can stop, delay or kill a process. They exist in test builds only.
//!
//! With the feature `failpoints`, the variable `FAILPOINTS` configures an action for each point in the syntax of the
//! `fail` crate, for example `batch_applied=1*return(abort)`. Without the feature, `failpoint!` expands to nothing.

use std::time::Duration;

/// Configures the fail points from the variable `FAILPOINTS`. Keep the result alive until the program ends.
pub fn setup_from_env() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Returns the configured action: `abort`, `hang`, `panic` or a number of milliseconds to wait.
fn configured_action(point: &str) -> Option<String> {
    fail::fail_point!(point, |action: Option<String>| action);
    None
}

fn abort_or_panic(point: &str, action: &str) {
    match action {
        // Like `kill -9`: nothing is closed, flushed or reported.
        "abort" => std::process::abort(),
        #[expect(clippy::panic, reason = "a test checks what a panic does here")]
        "panic" => panic!("the fail point {point} was reached"),
        _ => {}
    }
}

/// Performs the configured action of a point; see [`failpoint!`](crate::failpoint).
pub async fn reach(point: &str) {
    let Some(action) = configured_action(point) else { return };
    tracing::warn!(point, action, "a fail point was reached");
    abort_or_panic(point, &action);
    match action.parse() {
        Ok(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        Err(_) => std::future::pending().await,
    }
}

/// Like [`reach`], for code that cannot await.
pub fn reach_blocking(point: &str) {
    let Some(action) = configured_action(point) else { return };
    tracing::warn!(point, action, "a fail point was reached");
    abort_or_panic(point, &action);
    std::thread::sleep(action.parse().map_or(Duration::MAX, Duration::from_millis));
}
