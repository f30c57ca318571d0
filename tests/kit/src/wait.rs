//! Waits for a condition, never for a fixed time.

use std::time::{Duration, Instant};

/// How long to wait before the test fails. Far longer than any condition takes.
const TIMEOUT: Duration = Duration::from_mins(4);

/// Polls until `check` returns `Ok`, and returns its value. On a timeout, panics with the last `Err`.
pub async fn wait_until<T, S, F>(what: &str, mut check: impl FnMut() -> F) -> T
where
    S: std::fmt::Debug,
    F: Future<Output = Result<T, S>>,
{
    let started = Instant::now();
    loop {
        match check().await {
            Ok(found) => return found,
            Err(seen) if started.elapsed() > TIMEOUT => panic!("waited {TIMEOUT:?} until {what}; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
