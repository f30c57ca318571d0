//! The metrics that the services serve are exactly the documented ones.

use std::collections::{BTreeMap, BTreeSet};

use muster_testkit::{Backend, Program, Site, SiteOptions, wait_until};

use super::{metrics_url, metrics_variable};
use crate::MUSTER;
use crate::flow::users;

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// The type and the labels of each metric, by its name.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// The metrics that the table in `docs/operations.md` lists for a role. `muster serve` plays all roles.
fn documented(role: &str) -> Metrics {
    let (_, section) = OPERATIONS.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let plain = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let mut metrics = Metrics::new();
    for line in section.lines().filter(|line| line.starts_with("| `muster_")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        let [name, kind, labels, roles, meaning] = cells[..] else { panic!("{line}") };
        assert!(!meaning.trim().is_empty(), "{line}");
        if role == "serve" || roles.split(',').map(str::trim).any(|found| found == role || found == "all") {
            // `name: values`, repeated with semicolons between.
            let labels = labels.split(';').map(|label| plain(label.split(':').next().unwrap_or_default()));
            metrics.insert(plain(name), (plain(kind), labels.filter(|label| !label.is_empty()).collect()));
        }
    }
    metrics
}

/// Parses the text form of metrics.
fn parse(text: &str) -> Metrics {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut metrics: Metrics =
        kinds.map(|(name, kind)| (name.to_owned(), (kind.to_owned(), BTreeSet::new()))).collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
        let parts = ["_bucket", "_sum", "_count"];
        let metric = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        let (_, found) = metrics.get_mut(metric).unwrap_or_else(|| panic!("{line} has no type"));
        let labels = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name.to_owned());
        found.extend(labels.filter(|label| label != "le"));
    }
    metrics
}

async fn scrape(url: &str) -> String {
    let client = muster_testkit::http_client();
    let response = client.get(format!("{url}/metrics")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    response.text().await.unwrap()
}

/// Imports a file with one bad row, then sends requests that succeed, find nothing, and are refused.
async fn use_all_services(site: &Site) {
    let status = site.client.import(format!("{}not-an-address,c,First,Last\n", users(["a", "canary"]))).await;
    assert_eq!(status["failed_users"], 1);
    assert!(site.client.user("canary").await.is_object());
    assert_eq!(site.client.get("/nowhere/canary").await.status, 404);
    assert_eq!(site.client.post(&[("content-type", "text/plain")], "x").await.status, 415);
}

/// Waits until a process serves exactly the documented metrics of its role, and returns their text. It waits because
/// a batch is counted when its delivery is settled, which is after its job becomes final.
async fn wait_for_documented_metrics(program: &mut Program, role: &str) -> String {
    let url = metrics_url(program).await;
    let text = wait_until("the process serves the documented metrics and no others", || async {
        let text = scrape(&url).await;
        let (found, expected) = (parse(&text), documented(role));
        let different = |left: &Metrics, right: &Metrics| -> Metrics {
            let differs = |(name, metric): &(&String, &(String, BTreeSet<String>))| right.get(*name) != Some(*metric);
            left.iter().filter(differs).map(|(name, metric)| (name.clone(), metric.clone())).collect()
        };
        let (undocumented, missing) = (different(&found, &expected), different(&expected, &found));
        if undocumented.is_empty() && missing.is_empty() {
            Ok(text)
        } else {
            Err((role.to_owned(), undocumented, missing))
        }
    })
    .await;
    assert!(!text.contains("canary"), "{text}");
    text
}

/// Waits for a line: some events are counted shortly after they become visible elsewhere.
async fn wait_for_line(program: &mut Program, line: &str) {
    let url = metrics_url(program).await;
    wait_until(line, || async {
        let text = scrape(&url).await;
        if text.lines().any(|found| found == line) { Ok(()) } else { Err(text) }
    })
    .await;
}

fn options() -> SiteOptions {
    SiteOptions { variables: vec![metrics_variable()], ..SiteOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_serves_its_documented_metrics() {
    let mut site = Site::start(MUSTER, Backend::Distributed, options()).await;
    use_all_services(&site).await;
    let ingest = site.ingest.as_mut().unwrap();
    wait_for_documented_metrics(ingest, "ingest").await;
    for line in [
        "muster_ingest_uploads_total{outcome=\"accepted\"} 1",
        "muster_ingest_uploads_total{outcome=\"refused\"} 1",
        "muster_ingest_batches_published_total{lane=\"small\"} 1",
        "muster_ingest_splits_total{outcome=\"done\"} 1",
        "muster_ingest_reconciler_leads 1",
        "muster_http_requests_total{method=\"POST\",route=\"/bulk/v1/files\",status=\"2xx\"} 1",
    ] {
        wait_for_line(ingest, line).await;
    }
    let worker = &mut site.workers[0];
    wait_for_documented_metrics(worker, "worker").await;
    for line in [
        "muster_worker_batches_total{outcome=\"applied\"} 1",
        "muster_worker_rows_total{outcome=\"created\"} 2",
        "muster_worker_rows_total{outcome=\"failed\"} 1",
        "muster_worker_batches_running 0",
        "muster_worker_slots 7",
    ] {
        wait_for_line(worker, line).await;
    }
    let text = wait_for_documented_metrics(site.status.as_mut().unwrap(), "status").await;
    assert!(text.contains("route=\"/bulk/v1/users/{username}\""), "{text}");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_service_serves_all_documented_metrics() {
    let mut site = Site::start(MUSTER, Backend::Embedded, options()).await;
    use_all_services(&site).await;
    wait_for_documented_metrics(site.ingest.as_mut().unwrap(), "serve").await;
    site.stop().await;
}
