//! Missing users: left alone, blocked, or protected by the guard.

use muster_testkit::Site;
use reqwest::Method;
use serde_json::{Value, json};

use super::{file, object, post, post_csv, post_json, row, test_on_both_backends, users};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    missing_users_are_blocked_until_a_file_names_them_again,
    no_user_is_blocked_if_more_are_missing_than_the_guard_allows,
    a_user_named_by_a_failed_row_is_not_missing,
    requests_that_cannot_determine_missing_users_block_no_user,
    a_json_batch_blocks_missing_users,
);

pub(super) async fn set_tenant_settings(site: &mut Site, settings: &[&str]) {
    let arguments = [&["tenant", "set", "default"], settings].concat();
    let output = site.while_stopped(|site| site.admin(&arguments).unwrap()).await;
    assert!(output.contains("missing_users=block"), "{output}");
}

async fn enable_blocking(site: &mut Site) {
    set_tenant_settings(site, &["--missing-users", "block"]).await;
}

fn rows(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| row(&format!("u{number}"))).collect()
}

/// The number and the reason of each blocked user, among the users `u0` to `u{count - 1}`.
async fn blocked_users(site: &Site, count: u32) -> Vec<(u32, String)> {
    let mut blocked = Vec::new();
    for number in 0..count {
        if let Some(reason) = site.client.user(&format!("u{number}")).await["blocked_reason"].as_str() {
            blocked.push((number, reason.to_owned()));
        }
    }
    blocked
}

async fn missing_users_are_blocked_until_a_file_names_them_again(mut site: Site) {
    assert_eq!(post_csv(&site, file(rows(0..30))).await.counts(), reply().created(30));
    assert_eq!(post_csv(&site, file(rows(0..25))).await.counts(), reply(), "by default missing users are left alone");
    enable_blocking(&mut site).await;
    // An account without a uid is never missing.
    assert_eq!(site.client.import(users(["without-uid"])).await["created_users"], 1);
    for (step, range, expected) in [
        ("two are missing", 0..28, reply().blocked(2)),
        ("they are still missing", 0..28, reply()),
        ("three more are missing and one is back", 3..29, reply().blocked(3).unblocked(1)),
        ("all are back", 0..30, reply().unblocked(4)),
    ] {
        assert_eq!(post_csv(&site, file(rows(range))).await.counts(), expected, "{step}");
    }
    assert_eq!(blocked_users(&site, 30).await, []);
    assert_eq!(post_csv(&site, file(rows(1..30))).await.counts(), reply().blocked(1));
    assert_eq!(blocked_users(&site, 30).await, [(0, "missing".to_owned())]);
    assert_eq!(site.client.user("without-uid").await["blocked_reason"], Value::Null);
}

async fn no_user_is_blocked_if_more_are_missing_than_the_guard_allows(mut site: Site) {
    assert_eq!(post_csv(&site, file(rows(0..30))).await.counts(), reply().created(30));
    enable_blocking(&mut site).await;
    let guarded = post_csv(&site, file(rows(0..10))).await;
    assert_eq!(guarded.counts_with_details(), reply());
    assert!(guarded.json()["missing_users"].as_str().unwrap().starts_with("20 users are missing"), "{}", guarded.text);
    assert_eq!(blocked_users(&site, 30).await, []);
    let status = site.client.get("/bulk/v1/files?limit=1").await.json();
    assert_eq!(status["files"][0]["missing_users_kept"], 20);

    set_tenant_settings(&mut site, &["--missing-guard-percent", "50"]).await;
    assert_eq!(
        post_csv(&site, file(rows(0..15))).await.counts(),
        reply().blocked(15),
        "half of the users are within the guard"
    );
    set_tenant_settings(&mut site, &["--missing-guard-percent", "0", "--missing-guard-min", "0"]).await;
    assert_eq!(post_csv(&site, file(rows(0..14))).await.counts_with_details(), reply(), "one user exceeds the guard");
}

async fn a_user_named_by_a_failed_row_is_not_missing(mut site: Site) {
    assert_eq!(post_csv(&site, file(rows(0..5))).await.counts(), reply().created(5));
    enable_blocking(&mut site).await;
    let bad_date = format!("{};;31.02.2001", row("u1"));
    let contested_login = "u2;Last;First;;u3;u2@x.example".to_owned();
    let response = post_csv(&site, file([row("u0"), bad_date, contested_login, row("u3")])).await;
    assert_eq!(response.counts_with_details(), reply().blocked(1).failed(2), "{}", response.text);
    assert_eq!(blocked_users(&site, 5).await, [(4, "missing".to_owned())]);
}

async fn requests_that_cannot_determine_missing_users_block_no_user(mut site: Site) {
    assert_eq!(post_csv(&site, file(rows(0..3))).await.counts(), reply().created(3));
    enable_blocking(&mut site).await;
    let without_uid = post_csv(&site, file([row("u0"), ";Last;First;;x;x@x.example".to_owned()])).await;
    assert_eq!(without_uid.counts_with_details(), reply().failed(1), "{}", without_uid.text);
    let no_good_row = post_csv(&site, file([format!("{};;no date", row("u0"))])).await;
    assert_eq!(no_good_row.status, 400);
    assert_eq!(post_csv(&site, file(Vec::<String>::new())).await.status, 400);
    assert_eq!(post_json(&site, "batch", "[]").await.status, 400);
    let single = post_json(&site, "single", object("u0").to_string()).await;
    assert_eq!(single.counts(), reply());
    assert_eq!(site.client.import(users(["other"])).await["created_users"], 1, "another dialect");
    assert_eq!(blocked_users(&site, 3).await, []);
}

async fn a_json_batch_blocks_missing_users(mut site: Site) {
    let all: Vec<Value> = (0..6).map(|number| object(&format!("u{number}"))).collect();
    assert_eq!(post_json(&site, "batch", json!(all).to_string()).await.counts(), reply().created(6));
    enable_blocking(&mut site).await;
    assert_eq!(post_json(&site, "batch", json!(all[1..]).to_string()).await.counts(), reply().blocked(1));
    let refused = post(&site.client, "batch", &[], Vec::new()).await;
    assert_eq!(refused.status, 415);
    let last = site.client.send(Method::GET, "/bulk/v1/files?limit=1", &[], Vec::new()).await.json();
    assert_eq!(last["files"][0]["blocked_users"], 1);
    assert_eq!(blocked_users(&site, 6).await, [(0, "missing".to_owned())]);
}
