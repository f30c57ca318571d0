//! Clients that are slow, never end, are too many or disconnect; and a service that is killed during uploads.

use std::time::{Duration, Instant};

use muster_testkit::{Backend, Client, RawConnection, Site, SiteOptions, wait_until};
use reqwest::Method;

use super::bodies::compress;
use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(
    an_upload_that_is_aborted_leaves_nothing_stored,
    slow_clients_do_not_slow_down_clients_of_other_tenants,
);

async fn site_with(backend: Backend, variables: &[(&str, &str)]) -> Site {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Site::start(MUSTER, backend, SiteOptions { variables, ..SiteOptions::default() }).await
}

/// The service stores nothing of an upload before it has received and checked this many bytes.
const CHECKED_HEAD_BYTES: usize = 64 * 1024;

/// The head of an upload request.
fn head(client: &Client, headers: &str) -> String {
    let token = client.token.as_deref().unwrap();
    format!(
        "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n{headers}\r\n"
    )
}

/// Starts an upload of a megabyte and sends the first `bytes` bytes of its body.
async fn start_upload(client: &Client, bytes: usize) -> RawConnection {
    let file = users((0..30_000).map(|n| format!("user{n}")));
    let mut connection = RawConnection::open(&client.ingest).await;
    connection.send(head(client, &format!("Content-Length: {}\r\n", file.len()))).await;
    connection.send(&file[..bytes]).await;
    connection
}

async fn assert_no_files(client: &Client) {
    assert_eq!(client.get("/bulk/v1/files").await.json()["files"], serde_json::json!([]));
}

async fn wait_for_stored_files(site: &Site, expected: usize) {
    wait_until("the raw store has the expected number of files", || {
        let files = site.stored_files();
        std::future::ready(if files.len() == expected { Ok(()) } else { Err(files) })
    })
    .await;
}

async fn an_upload_that_is_aborted_leaves_nothing_stored(site: Site) {
    for sent in [0, 10, 100_000, 900_000] {
        let connection = start_upload(&site.client, sent).await;
        wait_for_stored_files(&site, usize::from(sent >= CHECKED_HEAD_BYTES)).await;
        connection.reset();
        wait_for_stored_files(&site, 0).await;
        let mut connection = start_upload(&site.client, sent).await;
        connection.half_close().await;
        assert_eq!(connection.next_response().await.json()["code"], "body_truncated");
        wait_for_stored_files(&site, 0).await;
    }
    assert_no_files(&site.client).await;
}

async fn uploads_in_flight_are_limited(backend: Backend) {
    let mut site = site_with(backend, &[("MUSTER_MAX_UPLOADS", "5"), ("MUSTER_MAX_UPLOADS_PER_TENANT", "3")]).await;
    let other = site.tenant("other", &[]).await;
    let client = site.client.clone();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(start_upload(&client, 100_000).await);
    }
    wait_for_stored_files(&site, 3).await;
    let csv = [("content-type", "text/csv")];
    let fourth = client.post(&csv, users(["a"])).await;
    assert_eq!((fourth.status, fourth.json()["code"].as_str()), (429, Some("uploads_in_flight")));
    assert_eq!(fourth.headers["retry-after"], "5");
    let sentence = "Status: Failed. This tenant has too many uploads in progress; try again when one has ended.";
    assert_eq!(fourth.json()["status"], sentence);

    assert_eq!(other.import(users(["a"])).await["created_users"], 1, "the limit is per tenant");
    for _ in 0..2 {
        held.push(start_upload(&other, 100_000).await);
    }
    wait_for_stored_files(&site, 6).await;
    let sixth = other.post(&csv, users(["a"])).await;
    assert_eq!((sixth.status, sixth.json()["code"].as_str()), (503, Some("uploads_in_flight")));
    assert_eq!(sixth.headers["retry-after"], "5");

    held.into_iter().for_each(RawConnection::reset);
    wait_for_stored_files(&site, 1).await;
    wait_until("the places of the closed connections are free again", || async {
        let response = client.post(&csv, users(["a"])).await;
        if response.status == 202 { Ok(()) } else { Err(response) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_flight_are_limited_per_tenant_and_in_total_embedded() {
    uploads_in_flight_are_limited(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_flight_are_limited_per_tenant_and_in_total_distributed() {
    uploads_in_flight_are_limited(Backend::Distributed).await;
}

/// Each body that is decompressed with zstd while it arrives takes up to 8 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_need_a_zstd_decoder_are_limited() {
    let mut site = crate::flow::site(Backend::Embedded).await;
    let other = site.tenant("other", &[]).await;
    let path = "/api/v2/users-import/csv";
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        let token = site.client.token.as_deref().unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n\
             Content-Encoding: zstd\r\nContent-Length: 100000\r\n\r\n"
        );
        connection.send(request).await;
        held.push(connection);
    }
    let file = "ID;Last name;First name;Middle name;Login;Email\nu;Last;First;;u;u@x.example\n";
    let zstd = [("content-type", "text/csv"), ("content-encoding", "zstd")];
    let body = compress("zstd", file.as_bytes());
    wait_until("the tenant has no decoder left", || async {
        let response = site.client.send(Method::POST, path, &zstd, body.clone()).await;
        if response.status == 429 { Ok(()) } else { Err(response) }
    })
    .await;
    assert_eq!(other.send(Method::POST, path, &zstd, body.clone()).await.status, 200, "the limit is per tenant");
    let plain = site.client.send(Method::POST, path, &zstd[..1], file.into()).await;
    assert_eq!(plain.status, 200, "a plain body needs no decoder: {}", plain.text);
    held.into_iter().for_each(RawConnection::reset);
    wait_until("the decoders are free again", || async {
        let response = site.client.send(Method::POST, path, &zstd, body.clone()).await;
        if response.status == 200 { Ok(()) } else { Err(response) }
    })
    .await;
}

/// 250 heads and 250 bodies arrive byte by byte while a client of another tenant uploads normally.
async fn slow_clients_do_not_slow_down_clients_of_other_tenants(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let client = site.client.clone();
    let mut slow_clients = tokio::task::JoinSet::new();
    for number in 0..500 {
        let client = client.clone();
        slow_clients.spawn(async move { send_byte_by_byte(&client, number % 2 == 0).await });
    }
    wait_until("the slow clients have reached the limit of their tenant", || async {
        let response = client.post(&[("content-type", "text/csv")], users(["a"])).await;
        if response.status == 429 { Ok(()) } else { Err(response) }
    })
    .await;
    let mut slowest = Duration::ZERO;
    for number in 0..100 {
        let started = Instant::now();
        other.upload(users([format!("user{number}")])).await;
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "an upload took {slowest:?}");
    let results = slow_clients.join_all().await;
    let count = |prefix: &str| results.iter().filter(|result| result.starts_with(prefix)).count();
    assert_eq!(count("closed"), 250, "the connections with slow heads");
    assert_eq!(count("429 uploads_in_flight"), 250 - 16);
    assert_eq!(count("408 body_too_slow"), 16);
    assert_no_files(&client).await;
}

/// Sends the head or the body of a request byte by byte until the server responds or closes the connection; returns
/// which of the two it did.
async fn send_byte_by_byte(client: &Client, in_head: bool) -> String {
    let mut connection = RawConnection::open(&client.ingest).await;
    let start = if in_head {
        "POST /bulk/v1/files HTTP/1.1\r\nX-Slow: ".to_owned()
    } else {
        head(client, "Content-Length: 1000000\r\n")
    };
    connection.send(start).await;
    let sending = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            if !connection.send("x").await || connection.has_data_or_is_closed() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), sending).await.expect("the server never stopped a slow client");
    if in_head {
        return format!("closed {}", connection.rest().await.len());
    }
    let response = connection.next_response().await;
    format!("{} {}", response.status, response.json()["code"].as_str().unwrap_or_default())
}

async fn an_endless_body_is_refused(backend: Backend) {
    let site = site_with(backend, &[("MUSTER_MAX_UPLOAD_BYTES", "1000000")]).await;
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send(head(&site.client, "Transfer-Encoding: chunked\r\n")).await;
    let mut sent = 0;
    let piece = users((0..1_000).map(|n| format!("user{n}")));
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    while sent < 200_000_000 && !connection.has_data_or_is_closed() && connection.send(&chunk).await {
        sent += chunk.len();
    }
    // After the refusal the service reads up to 16 MiB more; the rest of the bytes sent are in buffers on the way.
    assert!(sent < 40_000_000, "{sent} bytes were sent");
    let response = connection.next_response().await;
    assert_eq!((response.status, response.json()["code"].as_str()), (413, Some("file_too_large")));
    assert_eq!(response.header("connection"), Some("close"));
    connection.rest().await;
    wait_for_stored_files(&site, 0).await;
    assert_no_files(&site.client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_refused_embedded() {
    an_endless_body_is_refused(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_refused_distributed() {
    an_endless_body_is_refused(Backend::Distributed).await;
}

/// The service is killed at ten points of an upload. The upload never becomes a job, and its stored part is swept.
async fn kill_during_uploads(backend: Backend) {
    let mut site = site_with(backend, &[]).await;
    for round in 0..10 {
        let sent = round * 97_001;
        let mut connection = start_upload(&site.client, sent).await;
        wait_for_stored_files(&site, usize::from(sent >= CHECKED_HEAD_BYTES)).await;
        site.ingest.as_mut().unwrap().kill();
        connection.rest().await;
        if let Some(partial_upload) = site.stored_files().pop() {
            make_old(&partial_upload);
        }
        site.start_ingest().await;
        wait_for_stored_files(&site, 0).await;
        assert_no_files(&site.client).await;
    }
    assert_eq!(site.client.import(users(["a"])).await.counts(), created(1));
}

fn make_old(file: &std::path::Path) {
    let day_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(day_ago).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_interrupted_by_a_kill_leaves_nothing_embedded() {
    kill_during_uploads(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_interrupted_by_a_kill_leaves_nothing_distributed() {
    kill_during_uploads(Backend::Distributed).await;
}

/// Rows, blank lines, or one endless line, compressed to a hundredth of their size.
async fn compression_bombs_fail_at_the_limit(backend: Backend) {
    let site = site_with(backend, &[("MUSTER_MAX_UNPACKED_BYTES", "1000000")]).await;
    let titles = users::<&str>([]);
    for (name, filler, code) in [
        ("blank lines", "\n", "unpacked_too_large"),
        ("rows", "a@x.example,a,First,Last\n", "unpacked_too_large"),
        ("a line without an end", "x", "unpacked_too_large"),
    ] {
        let bomb = compress("gzip", (titles.clone() + &filler.repeat(50_000_000 / filler.len())).as_bytes());
        assert!(bomb.len() < 500_000, "{name}");
        let path = site.client.upload_with(&[("content-encoding", "gzip")], bomb).await;
        let status = site.client.wait_until_final(&path).await;
        assert_eq!(status["status"], "FAILED", "{name}: {status}");
        let errors = site.client.get(&format!("{path}/errors?after=1&limit=10000")).await.json()["errors"].clone();
        assert_eq!(errors.as_array().unwrap().last().unwrap()["code"], code, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_bombs_fail_at_the_limit_embedded() {
    compression_bombs_fail_at_the_limit(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compression_bombs_fail_at_the_limit_distributed() {
    compression_bombs_fail_at_the_limit(Backend::Distributed).await;
}
