//! The benchmark on a small file: it completes, its counts are exact, and its report has all results.

use std::path::Path;

use muster_testkit::{Program, Servers};
use serde_json::Value;

const BENCHMARK: &str = env!("CARGO_BIN_EXE_muster-benchmark");

#[tokio::test(flavor = "multi_thread")]
async fn the_benchmark_compares_muster_with_its_yardsticks() {
    // `cargo test --workspace` builds both programs into the same folder.
    let muster = Path::new(BENCHMARK).with_file_name("muster");
    let muster = muster.to_str().unwrap();
    assert!(Path::new(muster).exists(), "there is no {muster}: test the whole workspace, or build muster first");
    let servers = Servers::create(muster).await;
    let folder = tempfile::tempdir().unwrap();
    let (json, plot) = (folder.path().join("benchmark.json"), folder.path().join("benchmark.svg"));
    let (json_text, plot_text) = (json.display().to_string(), plot.display().to_string());
    // CPU time is counted in steps of 10 ms: each import must need several.
    let arguments = ["--rows", "20000", "--rounds", "1", "--workers", "1", "--only", "rows"];
    let settings = ["--set", "MUSTER_CONCURRENCY=1", "--postgres-set", "synchronous_commit=local"];
    let arguments = arguments.into_iter().chain(settings);
    let arguments: Vec<&str> = arguments.chain(["--json", &json_text, "--plot", &plot_text]).collect();
    #[expect(clippy::disallowed_methods, reason = "the benchmark starts psql")]
    let path = std::env::var("PATH").unwrap();
    let variables = [
        ("MUSTER_BIN", muster.to_owned()),
        ("MUSTER_DATABASE_URL", servers.database_url.clone()),
        ("MUSTER_AMQP_URL", servers.amqp_url.clone()),
        ("MUSTER_REDIS_URL", servers.redis_url.clone()),
        ("PATH", path),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let table = Program::run(BENCHMARK, &arguments, &variables).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    for name in ["new", "again", "half", "changed"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
        let comparisons = report["comparisons"].as_array().unwrap();
        let comparison = comparisons.iter().find(|comparison| comparison["name"] == name).unwrap();
        for key in ["yardstick_median", "muster_median", "ratio"] {
            assert!(comparison[key].as_f64().unwrap() > 0.0, "{name}: {comparison}");
        }
        for part in ["postgres", "workers", "ingest", "status", "rabbitmq", "redis"] {
            assert!(comparison["cpu_median"][part].is_number(), "{part} of {name}: {comparison}");
        }
        assert!(comparison["cpu_median"]["postgres"].as_f64().unwrap() > 0.0, "{name}: {comparison}");
    }
    assert_eq!(report["environment"]["set"], "MUSTER_CONCURRENCY=1");
    let postgres = report["environment"]["postgres"].as_str().unwrap();
    assert!(postgres.contains("synchronous_commit local"), "{postgres}");
    assert!(report["memory"].as_array().unwrap().iter().any(|series| series["name"] == "worker 1"));
    assert!(std::fs::read_to_string(plot).unwrap().contains("<svg"));
    let remaining = "select count(*) from pg_database where datname like 'muster_bench_%'";
    assert_eq!(servers.number(remaining).await, 0, "the benchmark drops its database");
}
