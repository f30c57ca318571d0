//! One trace covers an import from the request to the commits, across all processes, and contains no personal data.

use muster_testkit::{Backend, Broker, Site, SiteOptions, wait_until};
use reqwest::Method;

use super::collector::{Collector, Span};
use crate::MUSTER;
use crate::flow::users;

const CANARY: &str = "canary";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER_SPAN_ID: &str = "b7ad6b7169203331";
const MULTIPART: &str = "multipart/form-data; boundary=b";

/// The services log nothing and send no span until they stop: every received span was sent at shutdown.
fn export_at_shutdown(collector: &Collector) -> SiteOptions {
    let services = ["http", "ingest", "worker", "status"].map(|name| format!("muster_{name}=off")).join(",");
    let mut variables = collector.variables();
    variables.push(("MUSTER_LOG".to_owned(), format!("off,muster=info,{services}")));
    variables.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "3600000".to_owned()));
    SiteOptions { variables, ..SiteOptions::default() }
}

/// A multipart body with the canary in the file name and in every row.
fn upload_body() -> String {
    let rows = users((0..2500).map(|number| format!("{CANARY}{number}")));
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{CANARY}.csv\"\r\n\r\n{rows}\r\n--b--\r\n"
    )
}

async fn import(site: &Site, headers: &[(&str, &str)]) -> String {
    let response = site.client.post(&[&[("content-type", MULTIPART)], headers].concat(), upload_body()).await;
    assert_eq!(response.status, 202, "{}", response.text);
    let url = response.json()["status_url"].as_str().unwrap().to_owned();
    let job = url.rsplit_once('/').unwrap().1.to_owned();
    site.client.wait_until_final(&format!("/bulk/v1/files/{job}")).await;
    assert!(site.client.user(&format!("{CANARY}1")).await.is_object());
    job
}

/// The child spans of `parent` that have this name.
fn children<'a>(spans: &'a [Span], parent: &Span, name: &str) -> Vec<&'a Span> {
    let is_child = |span: &&Span| span.trace == parent.trace && span.parent == parent.id && span.name == name;
    spans.iter().filter(is_child).collect()
}

/// Checks the spans of one import, from its request to the commits of its batches, and returns the span of the request.
fn check_import_trace(spans: &[Span], job: &str, services: [&str; 2]) -> Span {
    let is_upload = |span: &&Span| span.name == "POST /bulk/v1/files" && span.attributes["job"] == job;
    let request = spans.iter().find(is_upload).unwrap_or_else(|| panic!("no request of job {job} in {spans:#?}"));
    assert_eq!((request.service.as_str(), request.attributes["status"].as_str()), (services[0], "202"));
    assert!(request.attributes.contains_key("tenant") && request.attributes.contains_key("request_id"));
    let [split] = children(spans, request, "split")[..] else { panic!("no split of {request:?} in {spans:#?}") };
    assert_eq!((split.service.as_str(), split.attributes["job"].as_str()), (services[0], job));
    assert_eq!((split.attributes["batches"].as_str(), split.attributes["rows"].as_str()), ("2", "2500"));
    let batches = children(spans, split, "batch");
    assert_eq!(batches.len(), 2, "{spans:#?}");
    for batch in batches {
        let attribute = |name: &str| batch.attributes[name].as_str();
        assert_eq!((batch.service.as_str(), attribute("job"), attribute("outcome")), (services[1], job, "applied"));
        assert_eq!(attribute("tenant"), request.attributes["tenant"]);
        assert_eq!(children(spans, batch, "commit").len(), 1, "{spans:#?}");
    }
    request.clone()
}

fn check_no_canary(collector: &Collector, site: &Site) {
    let bytes = collector.bytes();
    let token = site.client.token.as_deref().unwrap();
    for secret in [CANARY, "x.example", &token[..16]] {
        let is_exported = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!is_exported, "{secret} was sent to the collector");
    }
    assert!(collector.spans().iter().any(|span| span.name == "GET /bulk/v1/users/{username}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_one_trace_across_all_processes() {
    let collector = Collector::start().await;
    let mut site = Site::start(MUSTER, Backend::Distributed, export_at_shutdown(&collector)).await;
    let continued = import(&site, &[("traceparent", &format!("00-{TRACE_ID}-{CALLER_SPAN_ID}-01"))]).await;
    let new = import(&site, &[]).await;
    site.stop().await;

    let spans = collector.spans();
    let services = ["muster-ingest", "muster-worker"];
    let request = check_import_trace(&spans, &continued, services);
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE_ID, CALLER_SPAN_ID));
    let request = check_import_trace(&spans, &new, services);
    assert_eq!(request.parent, "");
    assert_ne!(request.trace, TRACE_ID);
    assert!(spans.iter().any(|span| span.service == "muster-status" && span.name == "GET /bulk/v1/files/{id}"));
    check_no_canary(&collector, &site);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_one_trace_within_one_process() {
    let collector = Collector::start().await;
    let mut options = export_at_shutdown(&collector);
    options.variables.push(("OTEL_SERVICE_NAME".to_owned(), "people".to_owned()));
    let mut site = Site::start(MUSTER, Backend::Embedded, options).await;
    let job = import(&site, &[]).await;
    site.stop().await;
    check_import_trace(&collector.spans(), &job, ["people", "people"]);
    check_no_canary(&collector, &site);
}

/// The trace ids in the batch messages of an upload.
async fn trace_ids_of_batches(options: SiteOptions) -> Vec<Option<String>> {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..options }).await;
    let broker = Broker::connect(site.servers.as_ref().unwrap()).await;
    site.client.upload_with(&[("traceparent", &format!("00-{TRACE_ID}-{CALLER_SPAN_ID}-01"))], users(["a"])).await;
    let messages = wait_until("the batch is on its queue", || async {
        let messages = broker.take_all("batch.small.v1").await;
        if messages.is_empty() { Err(()) } else { Ok(messages) }
    })
    .await;
    messages.iter().map(|message| message.header("traceparent").map(|parent| parent[3..35].to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_a_trace_only_if_traces_are_exported() {
    let collector = Collector::start().await;
    assert_eq!(trace_ids_of_batches(export_at_shutdown(&collector)).await, [Some(TRACE_ID.to_owned())]);
    assert_eq!(trace_ids_of_batches(SiteOptions::default()).await, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_collector_affects_no_import() {
    // The listener is dropped at once, so that the port refuses connections.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let options = SiteOptions { variables, ..SiteOptions::default() };
    let mut site = Site::start(MUSTER, Backend::Embedded, options).await;
    let warnings = |site: &Site| site.output().matches("spans cannot be sent").count();
    wait_until("the log reports the unavailable collector", || async {
        site.client.import(users(["a"])).await;
        if warnings(&site) > 0 { Ok(()) } else { Err(()) }
    })
    .await;
    site.client.import(users(["b"])).await;
    site.stop().await;
    assert_eq!(warnings(&site), 1, "{}", site.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_valid_request_id_is_kept_and_any_other_is_replaced() {
    let site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
    let returned_id = async |id: &str| {
        let response = site.client.send(Method::GET, "/bulk/v1/files", &[("x-request-id", id)], Vec::new()).await;
        response.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(returned_id("order-7.2_b").await, "order-7.2_b");
    site.client.upload_with(&[("x-request-id", "order-8")], users(["a"])).await;
    let line = wait_until("the log reports the accepted job", || async {
        let output = site.output();
        output.lines().find(|line| line.contains("job accepted")).map(str::to_owned).ok_or(output)
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let span = &line["span"];
    assert_eq!((span["request_id"].as_str(), span["route"].as_str()), (Some("order-8"), Some("/bulk/v1/files")));
    assert_eq!((span["job"].as_str(), span["tenant"].as_str()), (Some("1"), Some("1")), "{line}");
    for id in ["a@x.example", "a b", &"x".repeat(65)] {
        let returned = returned_id(id).await;
        assert!(returned.len() == 16 && returned != id, "{returned}");
    }
}
