//! Waiting for a state, never for a time.

use std::time::{Duration, Instant};

/// How long a state may take to come about before a test gives up. Far more than it ever takes.
const LIMIT: Duration = Duration::from_mins(4);

/// Looks until `look` finds what it is for. At the limit, panics with what it saw last.
pub async fn wait_until<T, S, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    S: std::fmt::Debug,
    F: Future<Output = Result<T, S>>,
{
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if started.elapsed() > LIMIT => panic!("waited {LIMIT:?} until {what}; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
