//! `/livez`, `/readyz` and `muster healthcheck`, with servers and without.

use std::process::Command;

use muster_testkit::{Backend, Program, Site, SiteOptions, Traffic, wait_until};

use super::{watchable, watched};
use crate::MUSTER;
use crate::faults::wired;

/// Exit code and standard error of a health check.
async fn healthcheck(address: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(MUSTER);
    command.arg("healthcheck").env_clear();
    if let Some(address) = address {
        command.env("MUSTER_METRICS_LISTEN", address.trim_start_matches("http://"));
    }
    #[expect(clippy::disallowed_methods, reason = "a test has no tasks of a service")]
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn status_of(url: String) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn ready(address: &str) {
    wait_until("the service is ready", || async {
        let seen = healthcheck(Some(address)).await;
        if seen == (Some(0), String::new()) { Ok(()) } else { Err(seen) }
    })
    .await;
}

async fn not_ready(address: &str) {
    let (code, text) = wait_until("the service is not ready", || async {
        let seen = healthcheck(Some(address)).await;
        if seen.0 == Some(0) { Err(seen) } else { Ok(seen) }
    })
    .await;
    assert_eq!(code, Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    let expected = format!("muster: expected {address}/readyz to answer 200 within 3 s, found 503: ");
    assert!(text.starts_with(&expected) && text.len() > expected.len() + 5, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_servers_and_life_does_not() {
    let mut options = SiteOptions { variables: vec![watchable()], ..SiteOptions::default() };
    let wires = wired(&mut options, false).await;
    let mut site = Site::start(MUSTER, Backend::Distributed, options).await;
    let ingest = watched(site.ingest.as_mut().unwrap()).await;
    let (worker, status) = (watched(&mut site.workers[0]).await, watched(site.status.as_mut().unwrap()).await);
    for address in [&ingest, &worker, &status] {
        ready(address).await;
    }
    wires.postgres.set(Traffic::Refuse);
    wires.postgres.reset();
    for address in [&ingest, &worker, &status] {
        not_ready(address).await;
        assert_eq!(status_of(format!("{address}/livez")).await, (200, "alive\n".to_owned()));
    }
    wires.postgres.set(Traffic::Pass);
    for address in [&ingest, &worker, &status] {
        ready(address).await;
    }
    wires.broker.set(Traffic::Refuse);
    wires.broker.reset();
    for address in [&ingest, &worker] {
        not_ready(address).await;
        assert_eq!(status_of(format!("{address}/livez")).await.0, 200);
    }
    ready(&status).await;
}

/// A service that waits for its servers is alive, and can be watched.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_servers_is_alive() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut variables = vec![watchable(), ("MUSTER_DATABASE_URL".to_owned(), format!("postgres://u:p@{free}/d"))];
    variables.push(("MUSTER_AMQP_URL".to_owned(), format!("amqp://u:p@{free}/v")));
    variables.push(("MUSTER_REDIS_URL".to_owned(), format!("redis://{free}/0")));
    let mut worker = Program::start(MUSTER, &["worker"], &variables);
    let address = watched(&mut worker).await;
    assert_eq!(status_of(format!("{address}/livez")).await.0, 200);
    assert_eq!(status_of(format!("{address}/readyz")).await.0, 503);
    not_ready(&address).await;
    assert!(status_of(format!("{address}/metrics")).await.1.contains("muster_build_info{version="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_nothing_says_what_is_missing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, text) = healthcheck(Some(&free.to_string())).await;
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.starts_with(&format!("muster: expected http://{free}/readyz to answer 200 within 3 s: ")), "{text}");
    let (code, text) = healthcheck(None).await;
    assert_eq!((code, text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("MUSTER_METRICS_LISTEN"), "{text}");
}

/// An embedded service has no servers that could be away.
#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_service_is_ready_while_it_runs() {
    let options = SiteOptions { variables: vec![watchable()], ..SiteOptions::default() };
    let mut site = Site::start(MUSTER, Backend::Embedded, options).await;
    let address = watched(site.ingest.as_mut().unwrap()).await;
    ready(&address).await;
    site.stop().await;
    assert_eq!(healthcheck(Some(&address)).await.0, Some(1));
}
