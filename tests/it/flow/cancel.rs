//! Cancelling: what is applied stays, what is not is never applied.

use muster_testkit::{Backend, Site, SiteOptions, wait_until};
use reqwest::Method;

use super::{counts, on_both, users};
use crate::MUSTER;

on_both!(a_running_job_is_canceled_where_it_stands, only_unfinished_files_are_canceled);

async fn cancel(site: &Site, path: &str) -> (u16, String) {
    let answer = site.client.send(Method::POST, &format!("{path}/cancel"), &[], Vec::new()).await;
    (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
}

async fn a_running_job_is_canceled_where_it_stands(site: Site) {
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
    let [total, created, ..] = counts(&status);
    assert!(0 < created && created < rows && total >= created, "{status}");
    assert_eq!(cancel(&site, &path).await, (200, "File canceled.".to_owned()), "once more changes nothing");

    assert_eq!(counts(&site.client.finished(&next).await), [1, 1, 0, 0, 0]);
    if let Some(servers) = &site.servers {
        let stored = servers.number("select count(*) from users").await;
        assert_eq!(stored, created.cast_signed() + 1, "what came late was dropped");
    }
    assert_eq!(site.client.get(&path).await.json()["created_users"], created);
    assert_eq!(site.client.delete(&path).await.status, 200);
}

async fn only_unfinished_files_are_canceled(mut site: Site) {
    let path = site.client.upload(users(["a"])).await;
    site.client.finished(&path).await;
    assert_eq!(cancel(&site, &path).await, (409, "File is SUCCESS and cannot be canceled.".to_owned()));
    assert_eq!(cancel(&site, "/bulk/v1/files/99").await.0, 404);
    let other = site.tenant("other", &[]).await;
    let answer = other.send(Method::POST, &format!("{path}/cancel"), &[], Vec::new()).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_is_canceled() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let first = site.client.upload(users(["a"])).await;
    let second = site.client.upload(users(["b"])).await;
    assert_eq!(cancel(&site, &second).await.0, 200);
    assert_eq!(cancel(&site, &first).await.0, 200);
    site.start_worker().await;
    assert_eq!(counts(&site.client.import(users(["c"])).await), [1, 1, 0, 0, 0]);
    for path in [&first, &second] {
        let status = site.client.get(path).await.json();
        assert_eq!((status["status"].as_str(), status["processed_users"].as_u64()), (Some("CANCELED"), Some(0)));
    }
    assert_eq!(site.client.user("a").await, serde_json::Value::Null);
}
