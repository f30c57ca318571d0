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
