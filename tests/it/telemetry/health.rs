//! `/livez`, `/readyz` and `muster healthcheck`, while servers are available and while they are not.

use std::process::Command;

use muster_testkit::{Backend, Program, Site, SiteOptions, Traffic, wait_until};

use super::{metrics_url, metrics_variable};
use crate::MUSTER;
use crate::faults::route_through_proxies;

/// The exit code and the standard error of `muster healthcheck`.
async fn healthcheck(url: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(MUSTER);
    command.arg("healthcheck").env_clear();
    if let Some(url) = url {
        command.env("MUSTER_METRICS_LISTEN", url.trim_start_matches("http://"));
    }
    #[expect(clippy::disallowed_methods, reason = "a test has no tasks of a service")]
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn get(url: String) -> (u16, String) {
    let client = muster_testkit::http_client();
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn wait_until_ready(url: &str) {
    wait_until("the service is ready", || async {
        let seen = healthcheck(Some(url)).await;
        if seen == (Some(0), String::new()) { Ok(()) } else { Err(seen) }
    })
    .await;
}

async fn wait_until_not_ready(url: &str) {
    let (code, text) = wait_until("the service is not ready", || async {
        let seen = healthcheck(Some(url)).await;
        if seen.0 == Some(0) { Err(seen) } else { Ok(seen) }
    })
    .await;
    assert_eq!(code, Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = format!("muster: expected {url}/readyz to respond with 200 within 3 s, found 503: ");
    assert!(text.starts_with(&expected) && text.len() > expected.len() + 5, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_depends_on_the_servers_and_liveness_does_not() {
    let mut options = SiteOptions { variables: vec![metrics_variable()], ..SiteOptions::default() };
    let wires = route_through_proxies(&mut options, false).await;
    let mut site = Site::start(MUSTER, Backend::Distributed, options).await;
    let ingest = metrics_url(site.ingest.as_mut().unwrap()).await;
    let (worker, status) = (metrics_url(&mut site.workers[0]).await, metrics_url(site.status.as_mut().unwrap()).await);
    for url in [&ingest, &worker, &status] {
        wait_until_ready(url).await;
    }
    wires.postgres.set(Traffic::Refuse);
    wires.postgres.reset();
    for url in [&ingest, &worker, &status] {
        wait_until_not_ready(url).await;
        assert_eq!(get(format!("{url}/livez")).await, (200, "alive\n".to_owned()));
    }
    wires.postgres.set(Traffic::Pass);
    for url in [&ingest, &worker, &status] {
        wait_until_ready(url).await;
    }
    wires.broker.set(Traffic::Refuse);
    wires.broker.reset();
    for url in [&ingest, &worker] {
        wait_until_not_ready(url).await;
        assert_eq!(get(format!("{url}/livez")).await.0, 200);
    }
    wait_until_ready(&status).await;
}

/// While a service waits for its servers it serves metrics and reports itself alive.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_servers_is_alive_but_not_ready() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut variables =
        vec![metrics_variable(), ("MUSTER_DATABASE_URL".to_owned(), format!("postgres://u:p@{unused}/d"))];
    variables.push(("MUSTER_AMQP_URL".to_owned(), format!("amqp://u:p@{unused}/v")));
    variables.push(("MUSTER_REDIS_URL".to_owned(), format!("redis://{unused}/0")));
    let mut worker = Program::start(MUSTER, &["worker"], &variables);
    let url = metrics_url(&mut worker).await;
    assert_eq!(get(format!("{url}/livez")).await.0, 200);
    assert_eq!(get(format!("{url}/readyz")).await.0, 503);
    wait_until_not_ready(&url).await;
    assert!(get(format!("{url}/metrics")).await.1.contains("muster_build_info{version="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_health_check_explains_itself_in_one_line() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, text) = healthcheck(Some(&unused.to_string())).await;
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    let expected = format!("muster: expected http://{unused}/readyz to respond with 200 within 3 s: ");
    assert!(text.starts_with(&expected), "{text}");
    let (code, text) = healthcheck(None).await;
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("MUSTER_METRICS_LISTEN"), "{text}");
}

/// The embedded service depends on no server.
#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_service_is_ready_while_it_runs() {
    let options = SiteOptions { variables: vec![metrics_variable()], ..SiteOptions::default() };
    let mut site = Site::start(MUSTER, Backend::Embedded, options).await;
    let url = metrics_url(site.ingest.as_mut().unwrap()).await;
    wait_until_ready(&url).await;
    site.stop().await;
    assert_eq!(healthcheck(Some(&url)).await.0, Some(1));
}
