//! `muster healthcheck`, and the port that it asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use muster_http::{Ready, health};
use muster_runtime::Shutdown;
use muster_telemetry::Telemetry;

use crate::settings::MetricsArgs;

/// How long the service has to answer.
const DEADLINE: Duration = Duration::from_secs(3);
/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served apart from everything else, for machines that watch.
pub(crate) fn routes(telemetry: Telemetry, ready: Ready, shutdown: Shutdown) -> Router {
    let metrics = move || async move { ([(header::CONTENT_TYPE, TEXT)], telemetry.scrape().unwrap_or_default()) };
    Router::new().route("/metrics", get(metrics)).merge(health(ready, shutdown))
}

/// Succeeds, silently, if the service on this machine is ready.
pub(crate) async fn check(args: &MetricsArgs) -> anyhow::Result<()> {
    let Some(address) = args.metrics_listen else {
        bail!("expected the address of a service in --metrics-listen or MUSTER_METRICS_LISTEN, found none");
    };
    let url = format!("http://{}/readyz", reachable(address));
    let client = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build()?;
    let asking = async {
        let answer = client.get(&url).send().await?;
        Ok::<_, reqwest::Error>((answer.status(), answer.text().await?))
    };
    let expected = || format!("expected {url} to answer 200 within {} s", DEADLINE.as_secs());
    let (status, text) = asking.await.map_err(reqwest::Error::without_url).with_context(expected)?;
    if !status.is_success() {
        bail!("{}, found {}: {}", expected(), status.as_u16(), text.lines().next().unwrap_or_default());
    }
    Ok(())
}

/// A service that listens on all addresses is asked on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_listens_everywhere_is_asked_here() {
        for (listens, asked) in [
            ("0.0.0.0:9000", "127.0.0.1:9000"),
            ("[::]:9000", "[::1]:9000"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("10.1.2.3:9000", "10.1.2.3:9000"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
