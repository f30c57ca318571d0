//! Crowds of clients: what one of them does, others do not notice.

use muster_testkit::{Backend, RawConnection, Site, SiteOptions, wait_until};
use reqwest::Method;
use serde_json::json;

use crate::MUSTER;
use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(
    connections_without_requests_keep_nobody_out,
    wrong_tokens_are_refused_counted_and_logged,
    a_file_ends_after_too_many_failed_rows,
);

/// The maximum number of connections from one address.
const SHARE: usize = 512;

async fn connections_without_requests_keep_nobody_out(mut site: Site) {
    site.options.variables.push(("MUSTER_LOG".to_owned(), "debug".to_owned()));
    site.ingest.as_mut().unwrap().terminate().await;
    site.start_ingest().await;
    let mut idle = Vec::new();
    for number in 0..SHARE + 40 {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        if number % 2 == 0 {
            connection.send("POST /bulk/v1/files HTTP/1.1\r\nX-Slow: ").await;
        }
        idle.push(connection);
    }
    let path = site.client.upload(users(["a"])).await;
    site.client.wait_until_final(&path).await;
    // Connections without requests are closed after some time in any case, but not with this message.
    wait_until("connections have made room", || {
        let output = site.ingest.as_ref().unwrap().output();
        let made_room = output.matches("a connection without a request made room for another one").count();
        std::future::ready(if made_room >= 40 { Ok(()) } else { Err(made_room) })
    })
    .await;
    assert!(idle[0].has_data_or_is_closed(), "the one that has waited longest");
}

async fn wrong_tokens_are_refused_counted_and_logged(site: Site) {
    let stranger = site.client.with_token(Some("muster_wrong"));
    for _ in 0..30 {
        let response = stranger.get("/bulk/v1/files").await;
        assert_eq!((response.status, response.json()["code"].as_str()), (401, Some("auth_invalid")));
    }
    assert!(site.output().contains("requests with a wrong token were refused"));
    assert!(!site.output().contains("muster_wrong"));
    assert_eq!(site.client.get("/bulk/v1/files").await.status, 200, "the right token is not affected");
}

async fn a_file_ends_after_too_many_failed_rows(mut site: Site) {
    site.options.variables.push(("MUSTER_MAX_FAILED_ROWS".to_owned(), "1000".to_owned()));
    site.ingest.as_mut().unwrap().terminate().await;
    site.start_ingest().await;
    let rows = 400_000;
    let mut file = users(["good"]);
    file.push_str(&"x\n".repeat(rows));
    let status = site.client.import(file).await;
    assert_eq!((status["status"].as_str(), &status["created_users"]), (Some("FAILED"), &1.into()));
    let failed = status["failed_users"].as_u64().unwrap();
    // Batches that were published before it was known are applied too.
    assert!((1_001..300_000).contains(&failed), "{failed}");
    let message = status["error_message"].as_str().unwrap();
    assert!(message.contains("more than 1000 rows failed; the rest of the file was not read"), "{message}");
    assert!(message.starts_with(&format!("Line {}: ", failed + 3)), "the line after the last applied row: {message}");
}

/// Calls that wait for their job, because there is no worker.
async fn wait_with(site: &Site, number: usize) -> RawConnection {
    let user =
        json!({"uid": number, "secondname": "L", "firstname": "F", "login": format!("u{number}"), "email": "a@x"});
    let body = user.to_string().replace(&format!("\"uid\":{number}"), &format!("\"uid\":\"u{number}\""));
    let token = site.client.token.clone().unwrap();
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let head = format!(
        "POST /api/v2/users-import/single HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head + &body).await;
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_calls_are_limited_per_tenant_and_end_with_their_client() {
    let options = SiteOptions { workers: 0, ..SiteOptions::default() };
    let mut site = Site::start(MUSTER, Backend::Distributed, options).await;
    let mut waiting = Vec::new();
    // A few at a time: uploads in progress have a limit of their own.
    for first in (0..64).step_by(8) {
        for number in first..first + 8 {
            waiting.push(wait_with(&site, number).await);
        }
        wait_until("all calls wait", || async {
            let jobs = site.servers.as_ref().unwrap().number("select count(*) from jobs").await;
            if usize::try_from(jobs) == Ok(waiting.len()) { Ok(()) } else { Err(jobs) }
        })
        .await;
    }
    waiting.push(wait_with(&site, 64).await);
    let mut answered = None;
    wait_until("one call beyond the limit does not wait", || {
        answered = waiting.iter_mut().position(RawConnection::has_data_or_is_closed);
        std::future::ready(answered.ok_or("all wait"))
    })
    .await;
    let response = waiting.remove(answered.unwrap()).next_response().await;
    assert_eq!(response.status, 202);
    assert!(response.json()["status_url"].as_str().unwrap().contains("/bulk/v1/files/"));

    let other = site.tenant("other", &[]).await;
    let headers = [("content-type", "application/json"), ("prefer", "respond-async")];
    let user = json!({"uid": "o", "secondname": "L", "firstname": "F", "login": "o", "email": "o@x"}).to_string();
    let response = other.send(Method::POST, "/api/v2/users-import/single", &headers, user.into_bytes()).await;
    assert_eq!(response.status, 202, "another tenant is served");

    waiting[0].half_close().await;
    assert_eq!(waiting[0].next_response().await.status, 202, "the wait ends with its client");
}
