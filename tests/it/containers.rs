//! `docker-compose.yml` and `deploy/Dockerfile`, looked at without Docker.

use std::collections::BTreeSet;
use std::process::Command;

const COMPOSE: &str = include_str!("../../docker-compose.yml");
const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");
const EXAMPLE: &str = include_str!("../../.env.example");

/// The names in a text that begin with `MUSTER_`.
fn variables(text: &str) -> BTreeSet<&str> {
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
fn containers_are_given_settings_that_exist() {
    let help: String = ["ingest", "worker", "status", "migrate"].map(help).concat();
    let known = variables(&help);
    assert!(known.contains("MUSTER_DATABASE_URL"), "{known:?}");
    for text in [COMPOSE, DOCKERFILE, EXAMPLE] {
        let unknown: Vec<_> = variables(text).difference(&known).copied().collect();
        assert!(unknown.is_empty(), "no service knows {unknown:?}");
    }
}

#[test]
fn images_have_a_version() {
    let images = COMPOSE.lines().filter_map(|line| line.trim().strip_prefix("image: "));
    let bases = DOCKERFILE.lines().filter_map(|line| line.strip_prefix("FROM "));
    let named: Vec<_> = images.chain(bases).filter_map(|image| image.split(' ').next()).collect();
    assert!(named.len() >= 6, "{named:?}");
    // The stages of the Dockerfile build on `rust`, which is itself a stage.
    for image in named.into_iter().filter(|image| *image != "rust") {
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest"), "{image} has no version");
    }
}

#[test]
fn all_parts_are_there_and_only_the_gateway_is_published() {
    for service in ["postgres", "rabbitmq", "redis", "migrate", "gateway", "ingest", "worker", "status"] {
        assert!(COMPOSE.lines().any(|line| line == format!("  {service}:")), "{service} is missing");
    }
    let published: Vec<_> = COMPOSE.lines().map(str::trim).filter(|line| line.starts_with("ports:")).collect();
    assert_eq!(published, [r#"ports: ["${GATEWAY_ADDRESS:-127.0.0.1:8080}:8080"]"#]);
    // `--scale` needs names that Compose chooses.
    assert!(!COMPOSE.contains("container_name"));
}
