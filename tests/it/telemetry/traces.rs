//! One trace from the request to the commit, across all processes, with nothing about a person in it.

use muster_testkit::{Backend, Broker, Site, SiteOptions, wait_until};
use reqwest::Method;

use super::collector::{Collector, Span};
use crate::MUSTER;
use crate::flow::users;

const CANARY: &str = "canary";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const BOUNDARY: &str = "multipart/form-data; boundary=b";

/// Only starts are logged, and no span is sent before the end: what is seen was sent by the stop.
fn quiet(collector: &Collector) -> SiteOptions {
    let services = ["http", "ingest", "worker", "status"].map(|name| format!("muster_{name}=off")).join(",");
    let mut variables = collector.variables();
    variables.push(("MUSTER_LOG".to_owned(), format!("off,muster=info,{services}")));
    variables.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "3600000".to_owned()));
    SiteOptions { variables, ..SiteOptions::default() }
}

/// A file whose name and rows all have the canary in them.
fn file() -> String {
    let rows = users((0..2500).map(|number| format!("{CANARY}{number}")));
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{CANARY}.csv\"\r\n\r\n{rows}\r\n--b--\r\n"
    )
}

async fn import(site: &Site, headers: &[(&str, &str)]) -> String {
    let answer = site.client.post(&[&[("content-type", BOUNDARY)], headers].concat(), file()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let url = answer.json()["status_url"].as_str().unwrap().to_owned();
    let job = url.rsplit_once('/').unwrap().1.to_owned();
    site.client.finished(&format!("/bulk/v1/files/{job}")).await;
    assert!(site.client.user(&format!("{CANARY}1")).await.is_object());
    job
}

/// The spans of one name that follow another.
fn children<'a>(spans: &'a [Span], parent: &Span, name: &str) -> Vec<&'a Span> {
    let follows = |span: &&Span| span.trace == parent.trace && span.parent == parent.id && span.name == name;
    spans.iter().filter(follows).collect()
}

/// Checks the chain of one import and gives its beginning.
fn check_chain(spans: &[Span], job: &str, services: [&str; 2]) -> Span {
    let of_job = |span: &&Span| span.name == "POST /bulk/v1/files" && span.attributes["job"] == job;
    let request = spans.iter().find(of_job).unwrap_or_else(|| panic!("no request of job {job} in {spans:#?}"));
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
        let seen = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!seen, "{secret} was sent to the collector");
    }
    assert!(collector.spans().iter().any(|span| span.name == "GET /bulk/v1/users/{username}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_one_trace_across_all_processes() {
    let collector = Collector::start().await;
    let mut site = Site::start(MUSTER, Backend::Distributed, quiet(&collector)).await;
    let followed = import(&site, &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]).await;
    let alone = import(&site, &[]).await;
    site.stop().await;

    let spans = collector.spans();
    let services = ["muster-ingest", "muster-worker"];
    let request = check_chain(&spans, &followed, services);
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (TRACE, CALLER));
    let request = check_chain(&spans, &alone, services);
    assert_eq!(request.parent, "");
    assert_ne!(request.trace, TRACE);
    assert!(spans.iter().any(|span| span.service == "muster-status" && span.name == "GET /bulk/v1/files/{id}"));
    check_no_canary(&collector, &site);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_one_trace_within_one_process() {
    let collector = Collector::start().await;
    let mut options = quiet(&collector);
    options.variables.push(("OTEL_SERVICE_NAME".to_owned(), "people".to_owned()));
    let mut site = Site::start(MUSTER, Backend::Embedded, options).await;
    let job = import(&site, &[]).await;
    site.stop().await;
    check_chain(&collector.spans(), &job, ["people", "people"]);
    check_no_canary(&collector, &site);
}

/// The trace that the batches of an upload belong to, if any.
async fn trace_of_batches(options: SiteOptions) -> Vec<Option<String>> {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..options }).await;
    let broker = Broker::connect(site.servers.as_ref().unwrap()).await;
    site.client.upload_with(&[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))], users(["a"])).await;
    let messages = wait_until("the batch is on its queue", || async {
        let messages = broker.take_all("batch.small.v1").await;
        if messages.is_empty() { Err(()) } else { Ok(messages) }
    })
    .await;
    messages.iter().map(|message| message.header("traceparent").map(|parent| parent[3..35].to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_carry_a_trace_only_while_it_is_sent() {
    let collector = Collector::start().await;
    assert_eq!(trace_of_batches(quiet(&collector)).await, [Some(TRACE.to_owned())]);
    assert_eq!(trace_of_batches(SiteOptions::default()).await, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_disturbs_nobody() {
    // A port on which nobody listens any more.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let options = SiteOptions { variables, ..SiteOptions::default() };
    let mut site = Site::start(MUSTER, Backend::Embedded, options).await;
    let reports = |site: &Site| site.output().matches("spans cannot be sent").count();
    wait_until("the collector is missed", || async {
        site.client.import(users(["a"])).await;
        if reports(&site) > 0 { Ok(()) } else { Err(()) }
    })
    .await;
    site.client.import(users(["b"])).await;
    site.stop().await;
    assert_eq!(reports(&site), 1, "{}", site.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_taken_over_if_they_are_plain() {
    let site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
    let ask = async |id: &str| {
        let answer = site.client.send(Method::GET, "/bulk/v1/files", &[("x-request-id", id)], Vec::new()).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(ask("order-7.2_b").await, "order-7.2_b");
    site.client.upload_with(&[("x-request-id", "order-8")], users(["a"])).await;
    let line = wait_until("the decision is in the log", || async {
        let output = site.output();
        output.lines().find(|line| line.contains("job accepted")).map(str::to_owned).ok_or(output)
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let span = &line["span"];
    assert_eq!((span["request_id"].as_str(), span["route"].as_str()), (Some("order-8"), Some("/bulk/v1/files")));
    assert_eq!((span["job"].as_str(), span["tenant"].as_str()), (Some("1"), Some("1")), "{line}");
    for id in ["a@x.example", "a b", &"x".repeat(65)] {
        let answered = ask(id).await;
        assert!(answered.len() == 16 && answered != id, "{answered}");
    }
}
