//! Dependencies point one way, and each outside system has one crate.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Who may know whom: a crate may depend on those listed with it. Services and the HTTP conventions record
/// metrics and hand traces on by `muster-telemetry`, which knows none of ours; adapters do not.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("muster-domain", &[]),
    ("muster-messages", &["domain"]),
    ("muster-ports", &["domain", "messages"]),
    ("muster-runtime", &[]),
    ("muster-telemetry", &[]),
    ("muster-http", &["domain", "ports", "runtime", "telemetry"]),
    ("muster-postgres", &["domain", "ports", "runtime"]),
    ("muster-sqlite", &["domain", "ports", "runtime"]),
    ("muster-rabbitmq", &["messages", "ports", "runtime"]),
    ("muster-redis", &["domain", "ports", "runtime"]),
    ("muster-memory", &["domain", "messages", "ports", "runtime"]),
    ("muster-rawstore", &["ports", "runtime"]),
    ("muster-ingest", &["domain", "messages", "ports", "runtime", "telemetry", "http"]),
    ("muster-worker", &["domain", "messages", "ports", "runtime", "telemetry"]),
    ("muster-status", &["domain", "ports", "runtime", "telemetry", "http"]),
];

/// Libraries that only the named crates may use. The test kit may use what it has to prepare.
const WRAPPERS: [(&str, &[&str]); 13] = [
    ("lapin", &["muster-rabbitmq", "muster-testkit"]),
    ("deadpool-redis", &["muster-redis"]),
    ("sqlx", &["muster-postgres", "muster-testkit"]),
    ("rusqlite", &["muster-sqlite"]),
    ("object_store", &["muster-rawstore"]),
    ("axum", &["muster-http", "muster-ingest", "muster-status", "muster"]),
    ("clap", &["muster"]),
    ("opentelemetry", &["muster-telemetry"]),
    ("opentelemetry_sdk", &["muster-telemetry"]),
    ("opentelemetry-otlp", &["muster-telemetry"]),
    ("opentelemetry-prometheus", &["muster-telemetry"]),
    ("tracing-opentelemetry", &["muster-telemetry"]),
    ("prometheus", &["muster-telemetry"]),
];

/// The normal dependencies of each crate of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path", manifest])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    packages
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
            (name(package), normal.map(name).collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let found = dependencies();
    let ours = found.keys().filter(|name| !["muster", "muster-testkit"].contains(&name.as_str()));
    assert_eq!(ours.count(), ALLOWED.len(), "a crate is missing in the list above");
    for (name, allowed) in ALLOWED {
        for dependency in found[name].iter().filter_map(|dependency| dependency.strip_prefix("muster-")) {
            assert!(allowed.contains(&dependency), "{name} may not depend on muster-{dependency}");
        }
    }
}

#[test]
fn each_outside_system_has_one_crate() {
    for (library, wrappers) in WRAPPERS {
        for (name, dependencies) in dependencies() {
            let allowed = wrappers.contains(&name.as_str()) || !dependencies.contains(library);
            assert!(allowed, "{name} may not depend on {library}; only {wrappers:?} may");
        }
    }
}

/// rustls refuses to choose between two providers, and OpenSSL would be a third TLS.
#[test]
fn there_is_one_tls_provider() {
    let users_of = |library: &str| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let arguments = ["tree", "--offline", "--edges", "normal", "--manifest-path", manifest, "--invert", library];
        let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(users_of("aws-lc-rs").contains("rustls"));
    for other in ["ring", "openssl", "native-tls"] {
        assert_eq!(users_of(other), "", "{other} came in by a feature of some dependency");
    }
}
