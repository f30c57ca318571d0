//! The output of `muster check-config` for valid and for invalid settings.

use muster_testkit::Program;

use crate::MUSTER;

const SERVER_URLS: [(&str, &str); 3] = [
    ("MUSTER_DATABASE_URL", "postgres://muster:canary@db.example:5432/muster"),
    ("MUSTER_AMQP_URL", "amqp://muster:canary@queue.example/%2f"),
    ("MUSTER_REDIS_URL", "redis://:canary@counters.example/0"),
];

fn check_config(arguments: &[&str], more: &[(&str, &str)]) -> Result<String, String> {
    let arguments: Vec<&str> = ["check-config"].iter().chain(arguments).copied().collect();
    let variables = SERVER_URLS.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Program::run(MUSTER, &arguments, &variables.collect::<Vec<_>>())
}

#[test]
fn every_setting_is_shown_with_its_source_but_secrets_are_hidden() {
    let key = "ca".repeat(32);
    let more = [("MUSTER_PAYLOAD_KEY", key.as_str()), ("MUSTER_DRAIN_SECONDS", "7")];
    let shown = check_config(&["worker", "--concurrency", "3"], &more).unwrap();
    let line = |name: &str| shown.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {shown}"));
    assert!(line("MUSTER_CONCURRENCY").ends_with("3  (flag)"), "{shown}");
    assert!(line("MUSTER_DRAIN_SECONDS").ends_with("7  (variable)"), "{shown}");
    assert!(line("MUSTER_QUEUE_PREFIX").ends_with("muster  (default)"), "{shown}");
    assert!(line("MUSTER_DATABASE_URL").contains("postgres://muster:hidden@db.example:5432/muster"), "{shown}");
    assert!(line("MUSTER_PAYLOAD_KEY").contains("(hidden)"), "{shown}");
    assert!(!shown.contains("canary") && !shown.contains(&key), "{shown}");
}

#[test]
fn missing_settings_are_named() {
    let error = Program::run(MUSTER, &["check-config", "status"], &[]).unwrap_err();
    assert!(error.contains("--database-url") && error.contains("--redis-url"), "{error}");
}

#[test]
fn invalid_values_are_refused_with_the_expected_range() {
    let error = check_config(&["worker"], &[("MUSTER_CONCURRENCY", "65")]).unwrap_err();
    assert!(error.contains("65") && error.contains("1..=64"), "{error}");
    let error = check_config(&["ingest"], &[("MUSTER_JOB_WINDOW", "0")]).unwrap_err();
    assert!(error.contains("--job-window") && error.contains("1..=4096"), "{error}");
    let error = check_config(&["ingest"], &[("MUSTER_RAW_STORE", "ftp://canary@files.example")]).unwrap_err();
    assert!(error.contains("MUSTER_RAW_STORE: expected file://") && !error.contains("canary"), "{error}");
    let error = check_config(&["worker"], &[("MUSTER_REDIS_URL", "http://:canary@counters.example")]).unwrap_err();
    assert!(error.contains("MUSTER_REDIS_URL: expected redis://") && !error.contains("canary"), "{error}");
}

#[test]
fn unknown_names_are_refused_with_a_suggestion() {
    let error = check_config(&["worker"], &[("MUSTER_CONCURENCY", "3")]).unwrap_err();
    assert!(error.contains("MUSTER_CONCURENCY") && error.contains("did you mean MUSTER_CONCURRENCY"), "{error}");
    let error = check_config(&["worker", "--concurency", "3"], &[]).unwrap_err();
    assert!(error.contains("--concurency") && error.contains("--concurrency"), "{error}");
}
