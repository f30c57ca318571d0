//! Named places at which a test can stop, delay or kill a process. They exist in test builds only.
//!
//! With the feature `failpoints` the variable `FAILPOINTS` says what happens where, in the grammar of
//! the `fail` crate, for example `batch_applied=1*return(abort)`. Without it `failpoint!` is nothing.

use std::time::Duration;

/// Reads `FAILPOINTS`. The result must live as long as the program.
pub fn follow_variable() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// What the variable wants here: `abort`, `hang`, `panic` or a number of milliseconds to wait.
fn wanted(point: &str) -> Option<String> {
    fail::fail_point!(point, |action: Option<String>| action);
    None
}

fn end_if_wanted(point: &str, action: &str) {
    match action {
        // As kill -9 does: nothing is closed, flushed or told.
        "abort" => std::process::abort(),
        #[expect(clippy::panic, reason = "a test wants to see what a panic does here")]
        "panic" => panic!("the fail point {point} was reached"),
        _ => {}
    }
}

/// Does what is wanted at this place; see [`failpoint!`](crate::failpoint).
pub async fn reach(point: &str) {
    let Some(action) = wanted(point) else { return };
    tracing::warn!(point, action, "a fail point was reached");
    end_if_wanted(point, &action);
    match action.parse() {
        Ok(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
        Err(_) => std::future::pending().await,
    }
}

/// The same where nothing can be awaited.
pub fn reach_blocking(point: &str) {
    let Some(action) = wanted(point) else { return };
    tracing::warn!(point, action, "a fail point was reached");
    end_if_wanted(point, &action);
    std::thread::sleep(action.parse().map_or(Duration::MAX, Duration::from_millis));
}
