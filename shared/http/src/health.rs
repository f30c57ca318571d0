//! The health checks `/livez` and `/readyz`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use muster_runtime::Shutdown;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Checks the dependencies; the error says which one is not ready.
pub type Ready = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// How long the check may take: less than the timeout of `muster healthcheck`.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a result is reused, so that many probes cost one check.
const REUSE: Duration = Duration::from_secs(1);

/// The last result of the check, and when it started.
type LastCheck = Arc<Mutex<Option<(Instant, Result<(), String>)>>>;

/// The health routes. `/livez` never depends on another system. `/readyz` does, and fails as soon as the process starts
/// to shut down.
pub fn health(ready: Ready, shutdown: Shutdown) -> Router {
    let last = LastCheck::default();
    let readyz = move || {
        let (ready, last, stopping) = (ready.clone(), last.clone(), shutdown.is_requested());
        async move {
            if stopping {
                return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
            }
            match check(&ready, &last).await {
                Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            }
        }
    };
    Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(readyz))
}

/// Runs the check, or returns the result of one that started a moment ago. Callers wait for a running check.
async fn check(ready: &Ready, last: &LastCheck) -> Result<(), String> {
    let mut last = last.lock().await;
    if let Some((_, result)) = last.as_ref().filter(|(started, _)| started.elapsed() < REUSE) {
        return result.clone();
    }
    let started = Instant::now();
    let result = tokio::time::timeout(CHECK_TIMEOUT, ready()).await;
    let result = result.unwrap_or_else(|_| Err("a dependency did not respond in time".to_owned()));
    *last = Some((started, result.clone()));
    result
}
