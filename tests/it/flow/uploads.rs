//! Clients that are slow, endless, many or gone, and a service that dies while they upload.

use std::time::{Duration, Instant};

use muster_testkit::{Backend, Client, RawConnection, Site, SiteOptions, wait_until};

use super::bodies::pack;
use super::{counts, on_both, users};
use crate::MUSTER;

on_both!(a_client_that_goes_away_leaves_nothing, dripping_clients_do_not_slow_others_down);

async fn with(backend: Backend, variables: &[(&str, &str)]) -> Site {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Site::start(MUSTER, backend, SiteOptions { variables, ..SiteOptions::default() }).await
}

/// So much is looked at before anything is stored.
const HEAD: usize = 64 * 1024;

/// The head of an upload whose body is to follow.
fn head(client: &Client, headers: &str) -> String {
    let token = client.token.as_deref().unwrap();
    format!(
        "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n{headers}\r\n"
    )
}

/// Begins an upload of a megabyte and sends so much of it.
async fn begin(client: &Client, bytes: usize) -> RawConnection {
    let file = users((0..30_000).map(|n| format!("user{n}")));
    let mut connection = RawConnection::open(&client.ingest).await;
    connection.send(head(client, &format!("Content-Length: {}\r\n", file.len()))).await;
    connection.send(&file[..bytes]).await;
    connection
}

async fn no_files(client: &Client) {
    assert_eq!(client.get("/bulk/v1/files").await.json()["files"], serde_json::json!([]));
}

async fn stored(site: &Site, expected: usize) {
    wait_until("uploads are stored or removed", || {
        let files = site.stored_files();
        std::future::ready(if files.len() == expected { Ok(()) } else { Err(files) })
    })
    .await;
}

async fn a_client_that_goes_away_leaves_nothing(site: Site) {
    for sent in [0, 10, 100_000, 900_000] {
        let connection = begin(&site.client, sent).await;
        stored(&site, usize::from(sent >= HEAD)).await;
        connection.reset();
        stored(&site, 0).await;
        let mut connection = begin(&site.client, sent).await;
        connection.half_close().await;
        assert_eq!(connection.answer().await.json()["code"], "body_truncated");
        stored(&site, 0).await;
    }
    no_files(&site.client).await;
}

/// What a tenant may do at a time, it may again as soon as a client is gone.
async fn places_are_bounded_and_freed(backend: Backend) {
    let mut site = with(backend, &[("MUSTER_MAX_UPLOADS", "5"), ("MUSTER_MAX_UPLOADS_PER_TENANT", "3")]).await;
    let other = site.tenant("other", &[]).await;
    let client = site.client.clone();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(begin(&client, 100_000).await);
    }
    stored(&site, 3).await;
    let csv = [("content-type", "text/csv")];
    let fourth = client.post(&csv, users(["a"])).await;
    assert_eq!((fourth.status, fourth.json()["code"].as_str()), (429, Some("uploads_in_flight")));
    assert_eq!(fourth.headers["retry-after"], "5");
    let sentence =
        "Status: Failed. Too many uploads with tokens of this tenant are under way; try again when one has ended.";
    assert_eq!(fourth.json()["status"], sentence);

    assert_eq!(other.import(users(["a"])).await["created_users"], 1, "others have their places");
    for _ in 0..2 {
        held.push(begin(&other, 100_000).await);
    }
    stored(&site, 6).await;
    let sixth = other.post(&csv, users(["a"])).await;
    assert_eq!((sixth.status, sixth.json()["code"].as_str()), (503, Some("uploads_in_flight")));
    assert_eq!(sixth.headers["retry-after"], "5");

    held.into_iter().for_each(RawConnection::reset);
    stored(&site, 1).await;
    wait_until("a place is free", || async {
        let answer = client.post(&csv, users(["a"])).await;
        if answer.status == 202 { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_bounded_and_freed_embedded() {
    places_are_bounded_and_freed(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_bounded_and_freed_distributed() {
    places_are_bounded_and_freed(Backend::Distributed).await;
}

/// 250 heads and 250 bodies that come drop by drop, and a client of another tenant beside them.
async fn dripping_clients_do_not_slow_others_down(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let client = site.client.clone();
    let mut drips = tokio::task::JoinSet::new();
    for number in 0..500 {
        let client = client.clone();
        drips.spawn(async move { drip(&client, number % 2 == 0).await });
    }
    wait_until("the tenant that drips has no place left", || async {
        let answer = client.post(&[("content-type", "text/csv")], users(["a"])).await;
        if answer.status == 429 { Ok(()) } else { Err(answer) }
    })
    .await;
    let mut slowest = Duration::ZERO;
    for number in 0..100 {
        let started = Instant::now();
        other.upload(users([format!("user{number}")])).await;
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_secs(3), "an upload beside dripping clients took {slowest:?}");
    let endings = drips.join_all().await;
    let count = |wanted: &str| endings.iter().filter(|ending| ending.starts_with(wanted)).count();
    assert_eq!(count("closed"), 250, "heads are given up");
    assert_eq!(count("429 uploads_in_flight"), 250 - 32);
    assert_eq!(count("408 body_too_slow"), 32);
    no_files(&client).await;
}

/// Sends one byte after the other until the server has had enough; says how that ended.
async fn drip(client: &Client, in_the_head: bool) -> String {
    let mut connection = RawConnection::open(&client.ingest).await;
    let (start, drop) = if in_the_head {
        ("POST /bulk/v1/files HTTP/1.1\r\nX-Drip: ".to_owned(), "x")
    } else {
        (head(client, "Content-Length: 1000000\r\n"), "x")
    };
    connection.send(start).await;
    let dripping = async {
        // Each drop in its time: a drip is what the server must bear.
        let mut ticks = tokio::time::interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            if !connection.send(drop).await || connection.has_news() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), dripping).await.expect("a dripping client is borne for ever");
    if in_the_head {
        return format!("closed {}", connection.rest().await.len());
    }
    let answer = connection.answer().await;
    format!("{} {}", answer.status, answer.json()["code"].as_str().unwrap_or_default())
}

async fn an_endless_body(backend: Backend) {
    let site = with(backend, &[("MUSTER_MAX_UPLOAD_BYTES", "1000000")]).await;
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send(head(&site.client, "Transfer-Encoding: chunked\r\n")).await;
    let mut sent = 0;
    let piece = users((0..1_000).map(|n| format!("user{n}")));
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    while sent < 200_000_000 && !connection.has_news() && connection.send(&chunk).await {
        sent += chunk.len();
    }
    // What is read of it to no purpose is bounded: 16 MiB, and what lies in buffers on the way.
    assert!(sent < 40_000_000, "{sent} bytes were taken");
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("file_too_large")));
    assert_eq!(answer.header("connection"), Some("close"));
    connection.rest().await;
    stored(&site, 0).await;
    no_files(&site.client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_cut_off_embedded() {
    an_endless_body(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_cut_off_distributed() {
    an_endless_body(Backend::Distributed).await;
}

/// Killed at many points of an upload. Nothing of it becomes a job, and the remains are swept.
async fn a_service_that_is_killed(backend: Backend) {
    let mut site = with(backend, &[]).await;
    for round in 0..10 {
        let sent = round * 97_001;
        let mut connection = begin(&site.client, sent).await;
        stored(&site, usize::from(sent >= HEAD)).await;
        site.ingest.as_mut().unwrap().kill();
        connection.rest().await;
        if let Some(staged) = site.stored_files().pop() {
            make_old(&staged);
        }
        site.start_ingest().await;
        stored(&site, 0).await;
        no_files(&site.client).await;
    }
    assert_eq!(counts(&site.client.import(users(["a"])).await), [1, 1, 0, 0, 0]);
}

fn make_old(file: &std::path::Path) {
    let day_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_hours(24);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(day_ago).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_while_it_takes_an_upload_embedded() {
    a_service_that_is_killed(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_while_it_takes_an_upload_distributed() {
    a_service_that_is_killed(Backend::Distributed).await;
}

/// Rows, blank lines or one line without an end, packed a thousandfold.
async fn bombs(backend: Backend) {
    let site = with(backend, &[("MUSTER_MAX_UNPACKED_BYTES", "1000000")]).await;
    let titles = users::<&str>([]);
    for (name, filler, code) in [
        ("blank lines", "\n", "unpacked_too_large"),
        ("rows", "a@x.example,a,First,Last\n", "unpacked_too_large"),
        ("a line without an end", "x", "record_too_large"),
    ] {
        let bomb = pack("gzip", (titles.clone() + &filler.repeat(50_000_000 / filler.len())).as_bytes());
        assert!(bomb.len() < 500_000, "{name}");
        let path = site.client.upload_with(&[("content-encoding", "gzip")], bomb).await;
        let status = site.client.finished(&path).await;
        assert_eq!(status["status"], "FAILED", "{name}: {status}");
        let errors = site.client.get(&format!("{path}/errors?after=1&limit=10000")).await.json()["errors"].clone();
        assert_eq!(errors.as_array().unwrap().last().unwrap()["code"], code, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_end_at_the_limit_embedded() {
    bombs(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_end_at_the_limit_distributed() {
    bombs(Backend::Distributed).await;
}
