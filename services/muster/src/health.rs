//! The admin port with metrics and health, and `muster healthcheck`, which queries it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::bail;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use muster_http::{Ready, health};
use muster_runtime::Shutdown;
use muster_telemetry::Telemetry;

use crate::settings::MetricsArgs;

/// How long the service may take to reply.
const TIMEOUT: Duration = Duration::from_secs(3);
/// The text format of Prometheus.
const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes of the admin port.
pub(crate) fn routes(telemetry: Telemetry, ready: Ready, shutdown: Shutdown) -> Router {
    let metrics = move || async move {
        ([(header::CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE)], telemetry.scrape().unwrap_or_default())
    };
    Router::new().route("/metrics", get(metrics)).merge(health(ready, shutdown))
}

/// Succeeds, and prints nothing, if the service on this machine is ready.
pub(crate) async fn check(args: &MetricsArgs) -> anyhow::Result<()> {
    let Some(address) = args.metrics_listen else {
        bail!("expected the address of a service in --metrics-listen or MUSTER_METRICS_LISTEN, found none");
    };
    muster_client::check_ready(&format!("http://{}", reachable(address)), TIMEOUT).await
}

/// The address at which a service can be reached from this machine: loopback if it listens on all addresses.
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
    fn a_service_on_all_addresses_is_reached_through_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9000", "127.0.0.1:9000"),
            ("[::]:9000", "[::1]:9000"),
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("10.1.2.3:9000", "10.1.2.3:9000"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }
}
