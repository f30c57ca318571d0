//! Users whom a file does not name: left alone, blocked, or kept by the guard.

use muster_testkit::{Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

use super::{counts, file, four, object, on_both, post, post_csv, post_json, row, users};

on_both!(
    who_is_missing_is_blocked_and_comes_back,
    the_guard_keeps_too_many_from_being_blocked,
    failed_rows_name_their_users,
    nobody_is_blocked_by_what_cannot_tell_who_is_missing,
    a_json_batch_blocks_too,
);

async fn set(site: &mut Site, settings: &[&str]) {
    let arguments = [&["tenant", "set", "default"], settings].concat();
    let said = site.while_stopped(|site| site.admin(&arguments).unwrap()).await;
    assert!(said.contains("missing_users=block"), "{said}");
}

async fn block_missing(site: &mut Site) {
    set(site, &["--missing-users", "block"]).await;
}

fn rows(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| row(&format!("u{number}"))).collect()
}

/// How many of so many users are blocked, and why.
async fn blocked(site: &Site, number: u32) -> Vec<(u32, String)> {
    let mut blocked = Vec::new();
    for number in 0..number {
        if let Some(reason) = site.client.user(&format!("u{number}")).await["blocked_reason"].as_str() {
            blocked.push((number, reason.to_owned()));
        }
    }
    blocked
}

async fn who_is_missing_is_blocked_and_comes_back(mut site: Site) {
    assert_eq!(counts(&post_csv(&site, file(rows(0..30))).await), [30, 0, 0, 0]);
    assert_eq!(counts(&post_csv(&site, file(rows(0..25))).await), [0; 4], "left alone as long as nothing is set");
    block_missing(&mut site).await;
    // An account without a uid takes no part.
    assert_eq!(site.client.import(users(["by-hand"])).await["created_users"], 1);
    for (what, range, expected) in [
        ("two are missing", 0..28, [0, 0, 2, 0]),
        ("they are still missing", 0..28, [0, 0, 0, 0]),
        ("one of them is back, another is new and three go", 3..29, [0, 0, 3, 1]),
        ("everybody is back", 0..30, [0, 0, 0, 4]),
    ] {
        assert_eq!(counts(&post_csv(&site, file(rows(range))).await), expected, "{what}");
    }
    assert_eq!(blocked(&site, 30).await, []);
    assert_eq!(counts(&post_csv(&site, file(rows(1..30))).await), [0, 0, 1, 0]);
    assert_eq!(blocked(&site, 30).await, [(0, "missing".to_owned())]);
    assert_eq!(site.client.user("by-hand").await["blocked_reason"], Value::Null);
}

async fn the_guard_keeps_too_many_from_being_blocked(mut site: Site) {
    assert_eq!(counts(&post_csv(&site, file(rows(0..30))).await), [30, 0, 0, 0]);
    block_missing(&mut site).await;
    let kept = post_csv(&site, file(rows(0..10))).await;
    assert_eq!(four(&kept), [0; 4]);
    assert!(kept.json()["missing_users"].as_str().unwrap().starts_with("20 users are missing"), "{}", kept.text);
    assert_eq!(blocked(&site, 30).await, []);
    let status = site.client.get("/bulk/v1/files?limit=1").await.json();
    assert_eq!(status["files"][0]["missing_users_kept"], 20);

    set(&mut site, &["--missing-guard-percent", "50"]).await;
    assert_eq!(counts(&post_csv(&site, file(rows(0..15))).await), [0, 0, 15, 0], "half of them is not too many");
    set(&mut site, &["--missing-guard-percent", "0", "--missing-guard-min", "0"]).await;
    assert_eq!(four(&post_csv(&site, file(rows(0..14))).await), [0; 4], "one is too many");
}

async fn failed_rows_name_their_users(mut site: Site) {
    assert_eq!(counts(&post_csv(&site, file(rows(0..5))).await), [5, 0, 0, 0]);
    block_missing(&mut site).await;
    let bad_date = format!("{};;31.02.2001", row("u1"));
    let taken = "u2;Last;First;;u3;u2@x.example".to_owned();
    let answer = post_csv(&site, file([row("u0"), bad_date, taken, row("u3")])).await;
    assert_eq!((four(&answer), answer.json()["failed_count"].as_u64()), ([0, 0, 1, 0], Some(2)), "{}", answer.text);
    assert_eq!(blocked(&site, 5).await, [(4, "missing".to_owned())]);
}

async fn nobody_is_blocked_by_what_cannot_tell_who_is_missing(mut site: Site) {
    assert_eq!(counts(&post_csv(&site, file(rows(0..3))).await), [3, 0, 0, 0]);
    block_missing(&mut site).await;
    let nameless = post_csv(&site, file([row("u0"), ";Last;First;;x;x@x.example".to_owned()])).await;
    assert_eq!((four(&nameless), nameless.json()["failed_count"].as_u64()), ([0; 4], Some(1)), "{}", nameless.text);
    let no_good_row = post_csv(&site, file([format!("{};;no date", row("u0"))])).await;
    assert_eq!(no_good_row.status, 400);
    assert_eq!(post_csv(&site, file(Vec::<String>::new())).await.status, 400);
    assert_eq!(post_json(&site, "batch", "[]").await.status, 400);
    let single = post_json(&site, "single", object("u0").to_string()).await;
    assert_eq!(counts(&single), [0; 4]);
    assert_eq!(site.client.import(users(["other"])).await["created_users"], 1, "another dialect");
    assert_eq!(blocked(&site, 3).await, []);
}

async fn a_json_batch_blocks_too(mut site: Site) {
    let all: Vec<Value> = (0..6).map(|number| object(&format!("u{number}"))).collect();
    assert_eq!(counts(&post_json(&site, "batch", json!(all).to_string()).await), [6, 0, 0, 0]);
    block_missing(&mut site).await;
    assert_eq!(counts(&post_json(&site, "batch", json!(all[1..]).to_string()).await), [0, 0, 1, 0]);
    let canceled: Answer = post(&site.client, "batch", &[], Vec::new()).await;
    assert_eq!(canceled.status, 415);
    let last = site.client.send(Method::GET, "/bulk/v1/files?limit=1", &[], Vec::new()).await.json();
    assert_eq!(last["files"][0]["blocked_users"], 1);
    assert_eq!(blocked(&site, 6).await, [(0, "missing".to_owned())]);
}
