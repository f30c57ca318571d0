//! The status of a file, the list of files, and error reports.

use muster_testkit::Site;
use serde_json::json;

use crate::flow::{TITLES, csv, test_on_both_backends, users};

test_on_both_backends!(
    a_status_has_the_documented_keys_and_an_etag,
    errors_are_available_as_json_pages_and_as_csv,
    files_are_listed_newest_first,
);

async fn a_status_has_the_documented_keys_and_an_etag(site: Site) {
    let path = site.client.upload(users(["a", "b"])).await;
    let status = site.client.wait_until_final(&path).await;
    let keys: Vec<&str> = status.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "total_users",
            "failed_users",
            "created_users",
            "status",
            "error_message",
            "id",
            "updated_users",
            "unchanged_users",
            "processed_users",
            "warnings",
            "blocked_users",
            "unblocked_users",
            "blank_rows",
            "skipped_lines",
            "charset",
            "charset_source",
            "kept_as_attributes",
            "ignored",
            "waiting_users",
            "missing_users_kept",
            "percent",
            "rows_per_second",
            "eta_seconds",
            "created_at",
            "started_at",
            "finished_at",
            "errors_url",
        ]
    );
    assert_eq!(status["percent"], 100.0);
    assert!(status["finished_at"].as_str().unwrap().ends_with('Z'));
    let response = site.client.get(&path).await;
    assert_eq!(response.headers["content-type"], "application/json;charset=UTF-8");
    let etag = response.headers["etag"].to_str().unwrap().to_owned();
    let conditional = site.client.send(reqwest::Method::GET, &path, &[("if-none-match", &etag)], Vec::new()).await;
    assert_eq!((conditional.status, conditional.text.as_str()), (304, ""));
}

async fn errors_are_available_as_json_pages_and_as_csv(site: Site) {
    let rows = (0..2_500).map(|n| if n % 2 == 0 { format!("u{n}@x,u{n},F,L") } else { format!("u{n}@x,,F,L") });
    let path = site.client.upload(csv(TITLES, rows)).await;
    let status = site.client.wait_until_final(&path).await;
    assert_eq!(status["failed_users"], 1_250);
    let message = status["error_message"].as_str().unwrap();
    assert!(message.ends_with("Line 201: USERNAME is missing; and 1150 more"), "{message}");

    let mut next = format!("{path}/errors?limit=500");
    let mut lines = Vec::new();
    loop {
        let page = site.client.get(&next).await.json();
        let errors = page["errors"].as_array().unwrap();
        lines.extend(errors.iter().map(|error| error["line"].as_u64().unwrap()));
        let Some(url) = page["next"].as_str() else { break };
        url[url.find("/bulk").unwrap()..].clone_into(&mut next);
    }
    assert_eq!(lines, (0..1_250).map(|n| 2 * n + 3).collect::<Vec<u64>>());
    let first = &site.client.get(&format!("{path}/errors?limit=1")).await.json()["errors"][0];
    assert_eq!(
        *first,
        json!({"line": 3, "row": 2, "column": "USERNAME", "code": "value_empty", "message": "USERNAME is missing"})
    );

    let response =
        site.client.send(reqwest::Method::GET, &format!("{path}/errors"), &[("accept", "text/csv")], Vec::new()).await;
    assert_eq!(response.headers["content-type"], "text/csv;charset=UTF-8");
    assert_eq!(response.text.lines().count(), 1_251);
    assert!(response.text.starts_with("line,column,code,message\n3,USERNAME,value_empty,USERNAME is missing\n"));
}

async fn files_are_listed_newest_first(site: Site) {
    for name in ["a", "b", "c"] {
        site.client.import(users([name])).await;
    }
    site.client.import(csv(TITLES, ["broken"])).await;
    let ids = |page: &serde_json::Value| -> Vec<u64> {
        page["files"].as_array().unwrap().iter().map(|file| file["id"].as_u64().unwrap()).collect()
    };
    let all = ids(&site.client.get("/bulk/v1/files").await.json());
    assert_eq!(all.len(), 4);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
    let page = site.client.get("/bulk/v1/files?limit=3").await.json();
    assert_eq!(ids(&page), all[..3]);
    let next = page["next"].as_str().unwrap();
    assert_eq!(ids(&site.client.get(&next[next.find("/bulk").unwrap()..]).await.json()), all[3..]);
    assert_eq!(ids(&site.client.get("/bulk/v1/files?status=FAILED").await.json()), all[..1]);
    for query in ["status=DONE", "stauts=FAILED", "limit=0", "limit=201", "limit=x", "before=-1"] {
        let response = site.client.get(&format!("/bulk/v1/files?{query}")).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("parameter_invalid")), "{query}");
    }
}
