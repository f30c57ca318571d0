//! Cancellation: applied rows stay, all other rows are never applied.

use muster_testkit::{Backend, Site, SiteOptions, wait_until};
use reqwest::Method;

use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(
    a_canceled_job_keeps_its_applied_rows_and_applies_no_more,
    only_unfinished_files_can_be_canceled
);

async fn cancel(site: &Site, path: &str) -> (u16, String) {
    let response = site.client.send(Method::POST, &format!("{path}/cancel"), &[], Vec::new()).await;
    (response.status, response.json()["message"].as_str().unwrap_or_default().to_owned())
}

async fn a_canceled_job_keeps_its_applied_rows_and_applies_no_more(site: Site) {
    let rows = 100_000;
    let path = site.client.upload(users((0..rows).map(|n| format!("user{n}")))).await;
    let next = site.client.upload(users(["after"])).await;
    wait_until("some rows are applied", || async {
        let status = site.client.get(&path).await.json();
        if status["processed_users"].as_u64() > Some(0) { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(cancel(&site, &path).await, (200, "File canceled.".to_owned()));
    let status = site.client.get(&path).await.json();
    assert_eq!(status["status"], "CANCELED");
    let counts = status.counts();
    assert!(0 < counts.created && counts.created < rows && counts.total >= counts.created, "{status}");
    let percent = status["percent"].as_f64().unwrap();
    assert!(0.0 < percent && percent < 100.0, "{status}");
    let sentence = format!("Canceled after {} rows; the rest of the file was not imported", counts.created);
    assert_eq!(status["error_message"], sentence);
    assert_eq!(cancel(&site, &path).await, (200, "File canceled.".to_owned()), "a repeated request changes nothing");

    assert_eq!(site.client.wait_until_final(&next).await.counts(), created(1));
    if let Some(servers) = &site.servers {
        let stored = servers.number("select count(*) from users").await;
        assert_eq!(stored, counts.created.cast_signed() + 1, "later batches were dropped");
    }
    assert_eq!(site.client.get(&path).await.json()["created_users"], counts.created);
    assert_eq!(site.client.delete(&path).await.status, 200);
}

async fn only_unfinished_files_can_be_canceled(mut site: Site) {
    let path = site.client.upload(users(["a"])).await;
    site.client.wait_until_final(&path).await;
    assert_eq!(cancel(&site, &path).await, (409, "File is SUCCESS and cannot be canceled.".to_owned()));
    assert_eq!(cancel(&site, "/bulk/v1/files/99").await.0, 404);
    let other = site.tenant("other", &[]).await;
    let response = other.send(Method::POST, &format!("{path}/cancel"), &[], Vec::new()).await;
    assert_eq!(response.status, 404, "the file of another tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_job_can_be_canceled() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let first = site.client.upload(users(["a"])).await;
    let second = site.client.upload(users(["b"])).await;
    assert_eq!(cancel(&site, &second).await.0, 200);
    assert_eq!(cancel(&site, &first).await.0, 200);
    site.start_worker().await;
    assert_eq!(site.client.import(users(["c"])).await.counts(), created(1));
    for path in [&first, &second] {
        let status = site.client.get(path).await.json();
        assert_eq!((status["status"].as_str(), status["processed_users"].as_u64()), (Some("CANCELED"), Some(0)));
    }
    assert_eq!(site.client.user("a").await, serde_json::Value::Null);
}
