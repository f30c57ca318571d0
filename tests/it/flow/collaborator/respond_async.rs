//! Responses with a status URL instead of the counts: on `Prefer: respond-async`, and when the service stops while a
//! client waits.

use muster_testkit::{Backend, Site, SiteOptions, wait_until};
use serde_json::{Value, json};

use super::{
    BOUNDARY, assert_single_text, file, multipart, object, post, post_csv, post_one, row, test_on_both_backends, with,
};
use crate::MUSTER;
use crate::flow::expected::{Reply, Status, created, failed, reply, unchanged};

test_on_both_backends!(
    a_file_is_imported_asynchronously,
    a_batch_and_a_single_user_are_imported_asynchronously,
    failed_rows_are_listed_at_the_status_url,
    with_other_preferences_the_reply_contains_the_counts,
    a_refused_request_has_no_status_url,
);

const PREFER_ASYNC: (&str, &str) = ("prefer", "respond-async");

/// Sends a body and waits for the final status at the returned URL.
async fn import_async(site: &Site, endpoint: &str, content_type: &str, body: Vec<u8>) -> Value {
    let response = post(&site.client, endpoint, &[("content-type", content_type), PREFER_ASYNC], body).await;
    assert_eq!(response.status, 202, "{}", response.text);
    assert_eq!(response.json()["status"], "Status: Success");
    let url = response.json()["status_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/bulk/v1/files/").unwrap()..];
    assert_eq!(site.client.get(path).await.status, 200, "{path} is available immediately");
    site.client.wait_until_final(path).await
}

async fn import_csv_async(site: &Site, rows: &[String]) -> Value {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    import_async(site, "csv", &content_type, multipart(file(rows).as_bytes())).await
}

/// Checks how many users a job has blocked and unblocked.
fn assert_blocked_and_unblocked(status: &Value, blocked: u64, unblocked: u64) {
    let found = (&status["blocked_users"], &status["unblocked_users"]);
    assert_eq!(found, (&json!(blocked), &json!(unblocked)), "blocked and unblocked users in {status}");
}

async fn a_file_is_imported_asynchronously(site: Site) {
    let (a, b) = (row("a"), row("b"));
    let dismissed = format!("{b}{}1", ";".repeat(9));
    for (name, rows, expected, blocked, unblocked) in [
        ("new", [a.clone(), b.clone()], created(2), 0, 0),
        ("repeated", [a.clone(), b.clone()], unchanged(2), 0, 0),
        ("dismissed", [a.clone(), dismissed], unchanged(2), 1, 0),
        ("back", [format!("{a};;;;Rome"), b], unchanged(1).updated(1), 0, 1),
    ] {
        let status = import_csv_async(&site, &rows).await;
        assert_eq!(status.counts(), expected, "{name}: {status}");
        assert_blocked_and_unblocked(&status, blocked, unblocked);
        assert_eq!((&status["status"], &status["error_message"]), (&json!("SUCCESS"), &json!("No errors")), "{name}");
    }
    assert_eq!(post_csv(&site, file([a])).await.counts(), reply(), "a synchronous import of the same user");
}

async fn a_batch_and_a_single_user_are_imported_asynchronously(site: Site) {
    let array = json!([object("a"), with(object("b"), &json!({"status": 1}))]).to_string().into_bytes();
    let status = import_async(&site, "batch", "application/json", array).await;
    assert_eq!(status.counts(), created(2), "{status}");
    assert_blocked_and_unblocked(&status, 0, 0);
    let one = object("b").to_string().into_bytes();
    let status = import_async(&site, "single", "application/json;charset=UTF-8", one).await;
    assert_eq!(status.counts(), unchanged(1), "{status}");
    assert_blocked_and_unblocked(&status, 0, 1);
    assert_eq!(post_one(&site, &object("b")).await.counts(), reply());
}

async fn failed_rows_are_listed_at_the_status_url(site: Site) {
    let bad = format!("{};;31.02.2020", row("b"));
    let status = import_csv_async(&site, &[row("a"), bad.clone()]).await;
    assert_eq!(status.counts(), created(1).failed(1), "{status}");
    assert_eq!(status["status"], "SUCCESS");
    let errors = site.client.get(&format!("/bulk/v1/files/{}/errors", status["id"])).await.json()["errors"].clone();
    assert_eq!((&errors[0]["line"], &errors[0]["code"]), (&json!(3), &json!("date_invalid")), "{errors}");

    let status = import_csv_async(&site, &[bad]).await;
    assert_eq!((status.counts(), &status["status"]), (failed(1), &json!("FAILED")), "{status}");
}

async fn with_other_preferences_the_reply_contains_the_counts(site: Site) {
    for (name, preference) in [("a", "respond-sync"), ("b", "return=minimal"), ("c", "wait=10"), ("d", "")] {
        let headers = [("content-type", "application/json"), ("prefer", preference)];
        let response = post(&site.client, "batch", &headers, object(name).to_string().into_bytes()).await;
        assert_eq!(response.counts(), reply().created(1), "{preference}");
    }
}

async fn a_refused_request_has_no_status_url(site: Site) {
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    for (endpoint, content_type, body, status) in [
        ("csv", &*form, multipart(b""), 400),
        ("csv", &form, multipart(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), 400),
        ("batch", "application/pdf", b"%PDF".to_vec(), 415),
    ] {
        let response = post(&site.client, endpoint, &[("content-type", content_type), PREFER_ASYNC], body).await;
        assert_eq!(
            (response.status, response.json().get("status_url")),
            (status, None),
            "{endpoint}: {}",
            response.text
        );
    }
    assert_eq!(site.client.get("/bulk/v1/files").await.json()["files"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_client_gets_the_status_url_when_the_service_stops() {
    let options = SiteOptions { workers: 0, ..SiteOptions::default() };
    let mut site = Site::start(MUSTER, Backend::Distributed, options).await;
    let (client, body) = (site.client.clone(), object("a").to_string().into_bytes());
    #[expect(clippy::disallowed_methods, reason = "joined below")]
    let request =
        tokio::spawn(async move { post(&client, "single", &[("content-type", "application/json")], body).await });
    wait_until("the job is accepted", || async {
        let files = site.client.get("/bulk/v1/files").await.json();
        if files["files"][0]["id"] == 1 { Ok(()) } else { Err(files) }
    })
    .await;
    assert!(site.ingest.as_mut().unwrap().terminate().await.success());
    let response = request.await.unwrap();
    assert_eq!(response.status, 503, "{}", response.text);
    assert_single_text(&response.text, "service_unavailable");
    assert!(response.text.contains("/bulk/v1/files/1"), "{}", response.text);
    site.start_ingest().await;
    site.start_worker().await;
    assert_eq!(site.client.wait_until_final("/bulk/v1/files/1").await["created_users"], 1);
    assert_eq!(site.client.user("a").await["uid"], "a");
}
