//! The status of a file, the list of files, and error reports.

use muster_testkit::Site;
use reqwest::Method;
use serde_json::{Value, json};

use crate::flow::expected::{Status, created};
use crate::flow::{TITLES, csv, test_on_both_backends, users};

test_on_both_backends!(
    a_status_has_the_documented_keys_and_an_etag,
    errors_are_available_as_json_pages_and_as_csv,
    files_are_listed_newest_first,
    warnings_are_available_in_pages,
    a_conflict_names_its_opponent,
    a_user_is_found_by_its_email_or_uid,
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
            "sheet",
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
    let conditional = site.client.send(Method::GET, &path, &[("if-none-match", &etag)], Vec::new()).await;
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
        site.client.send(Method::GET, &format!("{path}/errors"), &[("accept", "text/csv")], Vec::new()).await;
    assert_eq!(response.headers["content-type"], "text/csv;charset=UTF-8");
    assert_eq!(response.text.lines().count(), 1_251);
    assert!(response.text.starts_with("line,row,column,code,message\n3,2,USERNAME,value_empty,USERNAME is missing\n"));
}

async fn files_are_listed_newest_first(site: Site) {
    for name in ["a", "b", "c"] {
        site.client.import(users([name])).await;
    }
    site.client.import(csv(TITLES, ["broken"])).await;
    let ids = |page: &Value| -> Vec<u64> {
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

async fn warnings_are_available_in_pages(site: Site) {
    let titles = format!("{TITLES},INTF_PUBLISH_DT,note");
    let long = "x".repeat(5_000);
    let rows = [
        "a@x,a,F,L,,".to_owned(),
        titles.clone(),
        format!("b@x,b,F,L,soon,{long}"),
        "c@x,a,F,L,,".to_owned(),
        "d@x,d,F,L,13/13/2020,".to_owned(),
    ];
    let path = site.client.upload_with(&[("prefer", "handling=lenient")], csv(&titles, rows)).await;
    let status = site.client.wait_until_final(&path).await;
    assert_eq!(status.counts(), created(3).updated(1), "{status}");
    assert_eq!((&status["warnings"], &status["skipped_lines"]), (&json!(5), &json!(1)), "{status}");
    let mut next = format!("{path}/errors?kind=warning&limit=2");
    let mut found = Vec::new();
    loop {
        let page = site.client.get(&next).await.json();
        found.extend(page["warnings"].as_array().unwrap().clone());
        let Some(url) = page["next"].as_str() else { break };
        url[url.find("/bulk").unwrap()..].clone_into(&mut next);
    }
    let warning = |line: u64, row: Option<u64>, column: &str, code: &str| json!({"line": line, "row": row, "column": column, "code": code});
    let expected = [
        warning(3, None, "", "title_line_skipped"),
        warning(4, Some(2), "INTF_PUBLISH_DT", "date_invalid"),
        warning(4, Some(2), "note", "value_too_long"),
        warning(5, Some(3), "EMAIL", "email_changed_in_file"),
        warning(6, Some(4), "INTF_PUBLISH_DT", "date_invalid"),
    ];
    assert_eq!(found, expected);
    let response = site.client.get(&format!("{path}/errors?kind=notice")).await;
    assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("parameter_invalid")));
}

async fn a_conflict_names_its_opponent(site: Site) {
    site.client.import(csv(TITLES, ["old@x,old,F,L"])).await;
    let path = site.client.upload(csv(TITLES, ["new@x,new,F,L", "OLD@x,thief,F,L", "new@x,other,F,L"])).await;
    site.client.wait_until_final(&path).await;
    let errors = site.client.get(&format!("{path}/errors")).await.json()["errors"].clone();
    let id = async |name: &str| site.client.user(name).await["id"].clone();
    assert_eq!(errors[0]["other"], json!({"id": id("old").await, "line": null, "blocked": false}));
    assert_eq!(errors[1]["other"], json!({"id": id("new").await, "line": 2, "blocked": false}));
}

async fn a_user_is_found_by_its_email_or_uid(site: Site) {
    let users =
        json!([{"uid": "E7", "secondname": "Lee", "firstname": "Ann", "login": "ann", "email": "Ann@x.example"}]);
    let body = users.to_string().into_bytes();
    let kind = [("content-type", "application/json")];
    site.client.send(Method::POST, "/api/v2/users-import/batch", &kind, body).await;
    let user = site.client.user("ann").await;
    assert_eq!(user["uid"], "E7");
    for query in ["email=ann%40x.example", "email=ANN@X.EXAMPLE", "uid=E7"] {
        let found = site.client.get(&format!("/bulk/v1/users?{query}")).await.json();
        assert_eq!(found, json!({"users": [user], "next": null}), "{query}");
    }
    for query in ["email=ann@x", "uid=e7"] {
        let found = site.client.get(&format!("/bulk/v1/users?{query}")).await.json();
        assert_eq!(found, json!({"users": [], "next": null}), "{query}");
    }
    assert_eq!(site.client.get("/bulk/v1/users?email=a&uid=b").await.status, 400);
}
