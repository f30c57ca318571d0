//! Requests of many batches, answered in one reply.

use muster_testkit::Site;
use serde_json::Value;

use super::{counts, file, object, on_both, post_csv, post_json, row};

on_both!(
    ten_thousand_objects_are_counted_in_one_reply,
    thirty_thousand_rows_are_counted_in_one_reply,
    a_break_at_the_end_of_a_large_array_imports_nothing,
    users_in_many_batches_are_counted_once,
);

fn array(count: usize) -> String {
    let objects: Vec<String> = (0..count).map(|n| object(&format!("user{n}")).to_string()).collect();
    format!("[{}]", objects.join(","))
}

async fn ten_thousand_objects_are_counted_in_one_reply(site: Site) {
    assert_eq!(counts(&post_json(&site, "batch", array(10_000)).await), [10_000, 0, 0, 0]);
    for login in ["user0", "user4999", "user9999"] {
        assert_eq!(site.client.user(login).await["uid"], login);
    }
    assert_eq!(counts(&post_json(&site, "batch", array(10_000)).await), [0; 4]);
}

async fn thirty_thousand_rows_are_counted_in_one_reply(site: Site) {
    let rows = |status: &str| {
        let tail = format!("{}{status}", ";".repeat(9));
        file((0..30_000).map(|n| row(&format!("user{n}")) + if n % 3 == 0 { tail.as_str() } else { "" }))
    };
    assert_eq!(counts(&post_csv(&site, rows("")).await), [30_000, 0, 0, 0]);
    for login in ["user0", "user14999", "user29999"] {
        assert_eq!(site.client.user(login).await["uid"], login);
    }
    assert_eq!(counts(&post_csv(&site, rows("1")).await), [0, 0, 10_000, 0]);
    assert_eq!(counts(&post_csv(&site, rows("0")).await), [0, 0, 0, 10_000]);
}

async fn a_break_at_the_end_of_a_large_array_imports_nothing(site: Site) {
    let whole = array(5_000);
    for (name, body) in [
        ("cut", whole[..whole.len() - 2].to_owned()),
        ("a comma", format!("{},]", &whole[..whole.len() - 1])),
        ("text", format!("{whole} x")),
        ("a text without an end", format!("{},{{\"uid\":\"x]", &whole[..whole.len() - 1])),
    ] {
        let answer = post_json(&site, "batch", body).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
        assert!(answer.json()["data"]["body"].is_string(), "{name}: {}", answer.text);
        assert_eq!(site.client.user("user0").await, Value::Null, "{name}");
    }
    assert_eq!(counts(&post_json(&site, "batch", whole).await), [5_000, 0, 0, 0]);
}

/// Each of 6,000 users stands twice, far apart, with another town.
async fn users_in_many_batches_are_counted_once(site: Site) {
    let rows = (0..12_000).map(|n| format!("{};;;;City {}", row(&format!("user{}", n % 6_000)), n / 6_000));
    assert_eq!(counts(&post_csv(&site, file(rows)).await), [6_000, 6_000, 0, 0]);
    for login in ["user0", "user2999", "user5999"] {
        assert_eq!(site.client.user(login).await["city"], "City 1", "the later row");
    }
}
