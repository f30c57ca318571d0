//! Many new passwords, which are slow to hash.

use muster_testkit::Backend;
use reqwest::Method;
use serde_json::Value;

use super::{object, post_json, with};
use crate::flow::expected::{Reply, reply};

fn users_with_passwords(name: &str, count: usize) -> String {
    let user = |number| with(object(&format!("{name}{number}")), &serde_json::json!({"password": "secret"}));
    Value::from((0..count).map(user).collect::<Vec<_>>()).to_string()
}

/// A tenant with many new passwords keeps no job of another tenant waiting, even if that has passwords too.
#[tokio::test(flavor = "multi_thread")]
async fn many_new_passwords_keep_no_other_tenant_waiting() {
    let mut site = crate::flow::site(Backend::Distributed).await;
    let other = site.tenant("other", &[]).await;
    let headers = [("content-type", "application/json"), ("prefer", "respond-async")];
    let body = users_with_passwords("slow", 300).into_bytes();
    let accepted = site.client.send(Method::POST, "/api/v2/users-import/batch", &headers, body).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let path = accepted.json()["status_url"].as_str().unwrap().rsplit_once("/bulk").unwrap().1.to_owned();
    let path = format!("/bulk{path}");

    for round in 0..3 {
        let body = users_with_passwords(&format!("fast{round}-"), 10).into_bytes();
        let headers = [("content-type", "application/json")];
        let response = other.send(Method::POST, "/api/v2/users-import/batch", &headers, body).await;
        assert_eq!(response.counts(), reply().created(10));
        assert_eq!(site.client.get(&path).await.json()["status"], "PROCESSING", "the other file is still being hashed");
    }
    assert_eq!(site.client.wait_until_final(&path).await["created_users"], 300);
    assert_eq!(post_json(&site, "batch", users_with_passwords("slow", 5)).await.counts(), reply());
}

/// Batches with more new passwords than the quota of this hour wait, and none of their rows fails.
#[tokio::test(flavor = "multi_thread")]
async fn rows_beyond_the_quota_of_new_passwords_wait() {
    let mut site = crate::flow::site(Backend::Distributed).await;
    site.admin(&["tenant", "set", "default", "--max-new-passwords-per-hour", "5"]).unwrap();
    let headers = [("content-type", "application/json"), ("prefer", "respond-async")];
    let mut paths = Vec::new();
    // The second and third file are beyond the quota, also if a new hour begins meanwhile.
    for name in ["a", "b", "c"] {
        let body = users_with_passwords(name, 4).into_bytes();
        let accepted = site.client.send(Method::POST, "/api/v2/users-import/batch", &headers, body).await;
        let url = accepted.json()["status_url"].as_str().unwrap().to_owned();
        paths.push(url[url.find("/bulk/v1/files/").unwrap()..].to_owned());
    }
    assert_eq!(site.client.wait_until_final(&paths[0]).await["created_users"], 4);
    let postponed = "the quota of new passwords of this hour is used up; the batch is postponed";
    site.workers[0].wait_for_log(postponed, "job").await;
    let last = site.client.get(&paths[2]).await.json();
    assert_eq!((&last["status"] == "SUCCESS", last["failed_users"].as_u64()), (false, Some(0)), "{last}");
    site.admin(&["tenant", "set", "default", "--max-new-passwords-per-hour", "0"]).unwrap();
    let servers = site.servers.clone().unwrap();
    for path in &paths[1..] {
        muster_testkit::wait_until("the file is imported", || async {
            // It would be published again after a minute.
            servers.execute("update jobs set split_at = now() - interval '1 hour'").await;
            let status = site.client.get(path).await.json();
            if status["created_users"] == 4 { Ok(()) } else { Err(status) }
        })
        .await;
    }
}
