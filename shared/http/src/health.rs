//! The health checks `/livez` and `/readyz`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use muster_runtime::Shutdown;

/// Checks the dependencies; the error says which one is not ready.
pub type Ready = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// How long the check may take: less than the timeout of `muster healthcheck`.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The health routes. `/livez` never depends on another system. `/readyz` does, and fails as soon as the process starts
/// to shut down.
pub fn health(ready: Ready, shutdown: Shutdown) -> Router {
    let readyz = move || {
        let (check, stopping) = (ready(), shutdown.is_requested());
        async move {
            if stopping {
                return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned());
            }
            match tokio::time::timeout(CHECK_TIMEOUT, check).await {
                Ok(Ok(())) => (StatusCode::OK, "ready\n".to_owned()),
                Ok(Err(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "a dependency did not respond in time\n".to_owned()),
            }
        }
    };
    Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(readyz))
}
