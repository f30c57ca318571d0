//! Checks of `docker-compose.yml` and `deploy/Dockerfile` that need no Docker.

use std::collections::BTreeSet;
use std::process::Command;

const COMPOSE: &str = include_str!("../../docker-compose.yml");
const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");
const GATEWAY: &str = include_str!("../../deploy/nginx/nginx.conf.template");
const EXAMPLE: &str = include_str!("../../.env.example");

/// The names in a text that start with `MUSTER_`.
fn muster_variables(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with("MUSTER_"))
        .collect()
}

fn help(command: &str) -> String {
    let output = Command::new(crate::MUSTER).args([command, "--help"]).output().unwrap();
    assert!(output.status.success(), "muster {command} --help");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn containers_are_configured_by_known_settings_only() {
    let help: String = ["ingest", "worker", "status", "migrate"].map(help).concat();
    let known = muster_variables(&help);
    assert!(known.contains("MUSTER_DATABASE_URL"), "{known:?}");
    for text in [COMPOSE, DOCKERFILE, EXAMPLE] {
        let unknown: Vec<_> = muster_variables(text).difference(&known).copied().collect();
        assert!(unknown.is_empty(), "no service knows {unknown:?}");
    }
}

#[test]
fn every_image_has_a_pinned_version() {
    let images = COMPOSE.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    let bases = DOCKERFILE.lines().filter_map(|line| line.strip_prefix("FROM "));
    let images: Vec<_> = images.chain(bases).filter_map(|image| image.split(' ').next()).collect();
    assert!(images.len() >= 6, "{images:?}");
    // `rust` is a stage of the Dockerfile, not an image.
    for image in images.into_iter().filter(|image| *image != "rust") {
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{image} has no version");
    }
}

/// An idle connection that the service closes first would break a request that the gateway sends on it.
#[test]
fn the_gateway_closes_idle_connections_before_the_services_do() {
    let upstreams: Vec<&str> = GATEWAY.split("upstream ").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(upstreams.len(), 2);
    for upstream in upstreams {
        let timeout = upstream.split("keepalive_timeout ").nth(1).and_then(|rest| rest.split("s;").next());
        let seconds: u64 = timeout.unwrap().parse().unwrap();
        assert!(std::time::Duration::from_secs(seconds) < muster_http::HEAD_TIMEOUT, "{upstream}");
    }
}

#[test]
fn every_service_is_defined_and_only_the_gateway_is_published() {
    for service in ["postgres", "rabbitmq", "redis", "migrate", "gateway", "ingest", "worker", "status"] {
        assert!(COMPOSE.lines().any(|line| line == format!("  {service}:")), "{service} is missing");
    }
    let published: Vec<_> = COMPOSE.lines().map(str::trim).filter(|line| line.starts_with("ports:")).collect();
    assert_eq!(published, [r#"ports: ["${GATEWAY_ADDRESS:-127.0.0.1:8080}:8080"]"#]);
    // With a fixed container name, `--scale` fails.
    assert!(!COMPOSE.contains("container_name"));
}
