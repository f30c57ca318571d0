//! Dependencies point one way, and each external system has one crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The product crates that each crate may depend on. Services and the HTTP crate record metrics and propagate traces
/// through `muster-telemetry`, which depends on none of the others. Adapters do not.
const ALLOWED: [(&str, &[&str]); 18] = [
    ("muster-domain", &[]),
    ("muster-messages", &["domain"]),
    ("muster-ports", &["domain", "messages"]),
    ("muster-runtime", &[]),
    ("muster-telemetry", &[]),
    ("muster-client", &["domain"]),
    ("muster-http", &["domain", "ports", "runtime", "telemetry"]),
    ("muster-sql", &["domain", "ports"]),
    ("muster-postgres", &["domain", "ports", "runtime", "sql"]),
    ("muster-sqlite", &["domain", "ports", "runtime", "sql"]),
    ("muster-rabbitmq", &["messages", "ports", "runtime"]),
    ("muster-redis", &["domain", "ports", "runtime"]),
    ("muster-memory", &["domain", "messages", "ports", "runtime"]),
    ("muster-rawstore", &["ports", "runtime"]),
    ("muster-files", &["domain", "ports", "runtime"]),
    ("muster-ingest", &["domain", "files", "messages", "ports", "runtime", "telemetry", "http"]),
    ("muster-worker", &["domain", "messages", "ports", "runtime", "telemetry"]),
    ("muster-status", &["domain", "ports", "runtime", "telemetry", "http"]),
];

/// Libraries that only the listed crates may use.
const WRAPPERS: [(&str, &[&str]); 16] = [
    ("lapin", &["muster-rabbitmq"]),
    ("deadpool-redis", &["muster-redis"]),
    ("sqlx", &["muster-postgres"]),
    ("rusqlite", &["muster-sqlite"]),
    ("object_store", &["muster-rawstore"]),
    ("zip", &["muster-files"]),
    ("quick-xml", &["muster-files"]),
    ("axum", &["muster-http", "muster-ingest", "muster-status", "muster"]),
    ("reqwest", &["muster-client"]),
    ("clap", &["muster"]),
    ("opentelemetry", &["muster-telemetry"]),
    ("opentelemetry_sdk", &["muster-telemetry"]),
    ("opentelemetry-otlp", &["muster-telemetry"]),
    ("opentelemetry-prometheus", &["muster-telemetry"]),
    ("tracing-opentelemetry", &["muster-telemetry"]),
    ("prometheus", &["muster-telemetry"]),
];

/// The normal dependencies of each crate of the product: of all workspace members outside of `tests`.
fn product_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path", manifest])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tests = Path::new(metadata["workspace_root"].as_str().unwrap()).join("tests");
    let is_product = |package: &&Value| !Path::new(package["manifest_path"].as_str().unwrap()).starts_with(&tests);
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter().filter(is_product);
    packages
        .map(|package| {
            let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"].is_null());
            (name(package), normal.map(name).collect())
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let found = product_dependencies();
    assert_eq!(found.keys().filter(|name| *name != "muster").count(), ALLOWED.len(), "a crate is missing in ALLOWED");
    for (name, allowed) in ALLOWED {
        for dependency in found[name].iter().filter_map(|dependency| dependency.strip_prefix("muster-")) {
            assert!(allowed.contains(&dependency), "{name} may not depend on muster-{dependency}");
        }
    }
    for dependency in found["muster"].iter().filter(|dependency| dependency.starts_with("muster-")) {
        assert!(found.contains_key(dependency), "muster may not depend on {dependency}, which is for tests");
    }
}

#[test]
fn each_external_system_has_one_crate() {
    for (library, wrappers) in WRAPPERS {
        for (name, dependencies) in product_dependencies() {
            let allowed = wrappers.contains(&name.as_str()) || !dependencies.contains(library);
            assert!(allowed, "{name} may not depend on {library}; only {wrappers:?} may");
        }
    }
}

/// rustls does not choose between two providers, and OpenSSL would be a second TLS library.
#[test]
fn there_is_one_tls_provider() {
    let users_of = |library: &str| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let arguments = ["tree", "--offline", "--edges", "normal", "--manifest-path", manifest, "--invert", library];
        let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(users_of("ring").contains("rustls"));
    for other in ["aws-lc-rs", "openssl", "native-tls"] {
        assert_eq!(users_of(other), "", "a feature of some dependency enables {other}");
    }
}
