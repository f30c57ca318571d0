//! Requests of many batches whose counts are in one reply.

use muster_testkit::Site;
use serde_json::Value;

use super::{file, object, post_csv, post_json, row, test_on_both_backends};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    ten_thousand_objects_are_counted_in_one_reply,
    thirty_thousand_rows_are_counted_in_one_reply,
    a_syntax_error_at_the_end_of_a_large_array_imports_nothing,
    each_occurrence_of_a_user_in_many_batches_is_counted,
);

fn array(count: usize) -> String {
    let objects: Vec<String> = (0..count).map(|n| object(&format!("user{n}")).to_string()).collect();
    format!("[{}]", objects.join(","))
}

async fn ten_thousand_objects_are_counted_in_one_reply(site: Site) {
    assert_eq!(post_json(&site, "batch", array(10_000)).await.counts(), reply().created(10_000));
    for login in ["user0", "user4999", "user9999"] {
        assert_eq!(site.client.user(login).await["uid"], login);
    }
    assert_eq!(post_json(&site, "batch", array(10_000)).await.counts(), reply());
}

async fn thirty_thousand_rows_are_counted_in_one_reply(site: Site) {
    let rows = |status: &str| {
        let tail = format!("{}{status}", ";".repeat(9));
        file((0..30_000).map(|n| row(&format!("user{n}")) + if n % 3 == 0 { tail.as_str() } else { "" }))
    };
    assert_eq!(post_csv(&site, rows("")).await.counts(), reply().created(30_000));
    for login in ["user0", "user14999", "user29999"] {
        assert_eq!(site.client.user(login).await["uid"], login);
    }
    assert_eq!(post_csv(&site, rows("1")).await.counts(), reply().blocked(10_000));
    assert_eq!(post_csv(&site, rows("0")).await.counts(), reply().unblocked(10_000));
}

async fn a_syntax_error_at_the_end_of_a_large_array_imports_nothing(site: Site) {
    let whole = array(5_000);
    for (name, body) in [
        ("truncated", whole[..whole.len() - 2].to_owned()),
        ("a trailing comma", format!("{},]", &whole[..whole.len() - 1])),
        ("trailing text", format!("{whole} x")),
        ("an unterminated string", format!("{},{{\"uid\":\"x]", &whole[..whole.len() - 1])),
    ] {
        let response = post_json(&site, "batch", body).await;
        assert_eq!(response.status, 400, "{name}: {}", response.text);
        assert!(response.json()["data"]["body"].is_string(), "{name}: {}", response.text);
        assert_eq!(site.client.user("user0").await, Value::Null, "{name}");
    }
    assert_eq!(post_json(&site, "batch", whole).await.counts(), reply().created(5_000));
}

/// Each of 6,000 users occurs twice, far apart, with different cities.
async fn each_occurrence_of_a_user_in_many_batches_is_counted(site: Site) {
    let rows = (0..12_000).map(|n| format!("{};;;;City {}", row(&format!("user{}", n % 6_000)), n / 6_000));
    assert_eq!(post_csv(&site, file(rows)).await.counts(), reply().created(6_000).updated(6_000));
    for login in ["user0", "user2999", "user5999"] {
        assert_eq!(site.client.user(login).await["city"], "City 1", "the later row wins");
    }
}
