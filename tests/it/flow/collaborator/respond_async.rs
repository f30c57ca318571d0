//! `Prefer: respond-async`, and a service that stops while a caller waits: the counts are at an address.

use muster_testkit::{Backend, Site, SiteOptions, wait_until};
use serde_json::{Value, json};

use super::super::counts as totals;
use super::{BOUNDARY, counts, file, multipart, object, on_both, post, post_csv, post_one, row, says_only, with};

on_both!(
    a_file_is_imported_behind_an_address,
    a_batch_and_a_single_user_are_imported_behind_an_address,
    failed_rows_are_at_the_address,
    other_preferences_are_answered_at_once,
    what_is_refused_at_once_has_no_address,
);

const LATER: (&str, &str) = ("prefer", "respond-async");

/// Sends a body and waits for the final status at the address that is answered.
async fn later(site: &Site, call: &str, kind: &str, body: Vec<u8>) -> Value {
    let answer = post(&site.client, call, &[("content-type", kind), LATER], body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["status"], "Status: Success");
    let url = answer.json()["status_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/bulk/v1/files/").unwrap()..];
    assert_eq!(site.client.get(path).await.status, 200, "{path} can be read at once");
    site.client.finished(path).await
}

async fn later_csv(site: &Site, rows: &[String]) -> Value {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    later(site, "csv", &kind, multipart(file(rows).as_bytes())).await
}

fn states(status: &Value) -> (&Value, &Value) {
    (&status["blocked_users"], &status["unblocked_users"])
}

async fn a_file_is_imported_behind_an_address(site: Site) {
    let (a, b) = (row("a"), row("b"));
    let dismissed = format!("{b}{}1", ";".repeat(9));
    for (name, rows, expected, blocked, unblocked) in [
        ("new", [a.clone(), b.clone()], [2, 2, 0, 0, 0], 0, 0),
        ("again", [a.clone(), b.clone()], [2, 0, 0, 2, 0], 0, 0),
        ("dismissed", [a.clone(), dismissed], [2, 0, 0, 2, 0], 1, 0),
        ("back", [format!("{a};;;;Rome"), b], [2, 0, 1, 1, 0], 0, 1),
    ] {
        let status = later_csv(&site, &rows).await;
        assert_eq!(totals(&status), expected, "{name}: {status}");
        assert_eq!(states(&status), (&json!(blocked), &json!(unblocked)), "{name}: {status}");
        assert_eq!((&status["status"], &status["error_message"]), (&json!("SUCCESS"), &json!("No errors")), "{name}");
    }
    assert_eq!(counts(&post_csv(&site, file([a])).await), [0; 4], "both ways lead to the same users");
}

async fn a_batch_and_a_single_user_are_imported_behind_an_address(site: Site) {
    let array = json!([object("a"), with(object("b"), &json!({"status": 1}))]).to_string().into_bytes();
    let status = later(&site, "batch", "application/json", array).await;
    assert_eq!((totals(&status), states(&status)), ([2, 2, 0, 0, 0], (&json!(0), &json!(0))), "{status}");
    let one = object("b").to_string().into_bytes();
    let status = later(&site, "single", "application/json;charset=UTF-8", one).await;
    assert_eq!((totals(&status), states(&status)), ([1, 0, 0, 1, 0], (&json!(0), &json!(1))), "{status}");
    assert_eq!(counts(&post_one(&site, &object("b")).await), [0; 4]);
}

async fn failed_rows_are_at_the_address(site: Site) {
    let bad = format!("{};;31.02.2020", row("b"));
    let status = later_csv(&site, &[row("a"), bad.clone()]).await;
    assert_eq!(totals(&status), [2, 1, 0, 0, 1], "{status}");
    assert_eq!(status["status"], "SUCCESS");
    let errors = site.client.get(&format!("/bulk/v1/files/{}/errors", status["id"])).await.json()["errors"].clone();
    assert_eq!((&errors[0]["line"], &errors[0]["code"]), (&json!(3), &json!("date_invalid")), "{errors}");

    let status = later_csv(&site, &[bad]).await;
    assert_eq!((totals(&status), &status["status"]), ([1, 0, 0, 0, 1], &json!("FAILED")), "{status}");
}

async fn other_preferences_are_answered_at_once(site: Site) {
    for (name, preference) in [("a", "respond-sync"), ("b", "return=minimal"), ("c", "wait=10"), ("d", "")] {
        let headers = [("content-type", "application/json"), ("prefer", preference)];
        let answer = post(&site.client, "batch", &headers, object(name).to_string().into_bytes()).await;
        assert_eq!(counts(&answer), [1, 0, 0, 0], "{preference}");
    }
}

async fn what_is_refused_at_once_has_no_address(site: Site) {
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    for (call, kind, body, status) in [
        ("csv", &*form, multipart(b""), 400),
        ("csv", &form, multipart(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), 400),
        ("batch", "application/pdf", b"%PDF".to_vec(), 415),
    ] {
        let answer = post(&site.client, call, &[("content-type", kind), LATER], body).await;
        assert_eq!((answer.status, answer.json().get("status_url")), (status, None), "{call}: {}", answer.text);
    }
    assert_eq!(site.client.get("/bulk/v1/files").await.json()["files"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_while_a_caller_waits_loses_nothing() {
    let options = SiteOptions { workers: 0, ..SiteOptions::default() };
    let mut site = Site::start(crate::MUSTER, Backend::Distributed, options).await;
    let (client, body) = (site.client.clone(), object("a").to_string().into_bytes());
    #[expect(clippy::disallowed_methods, reason = "joined below")]
    let call =
        tokio::spawn(async move { post(&client, "single", &[("content-type", "application/json")], body).await });
    wait_until("the job is accepted", || async {
        let files = site.client.get("/bulk/v1/files").await.json();
        if files["files"][0]["id"] == 1 { Ok(()) } else { Err(files) }
    })
    .await;
    assert!(site.ingest.as_mut().unwrap().terminate().await.success());
    let answer = call.await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text);
    says_only(&answer.text, "service_unavailable");
    assert!(answer.text.contains("/bulk/v1/files/1"), "{}", answer.text);
    site.start_ingest().await;
    site.start_worker().await;
    assert_eq!(site.client.finished("/bulk/v1/files/1").await["created_users"], 1);
    assert_eq!(site.client.user("a").await["uid"], "a");
}
