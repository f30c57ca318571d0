//! The main path: every row of an uploaded file is applied or rejected with a reason.

use std::collections::BTreeMap;

use muster_testkit::Site;

use crate::flow::expected::{Status, created, failed, no_rows, unchanged};
use crate::flow::{TITLES, csv, test_on_both_backends, users};

test_on_both_backends!(
    the_corrected_vendor_sample_is_imported_and_read_back,
    the_vendor_sample_as_published_fails_row_by_row,
    lenient_handling_pads_the_vendor_sample_as_published,
    every_outcome_is_counted,
    many_batches_have_the_result_of_applying_row_by_row,
    an_unclosed_quote_costs_its_line,
    a_header_without_rows_is_a_success,
);

const CORRECTED_SAMPLE: &str = include_str!("../../../fixtures/spigit-good.csv");
/// Its rows have a value less than its header.
const PUBLISHED_SAMPLE: &str = include_str!("../../../fixtures/spigit-seed.csv");

async fn the_corrected_vendor_sample_is_imported_and_read_back(site: Site) {
    let first = site.client.import(CORRECTED_SAMPLE).await;
    assert_eq!(first.counts(), created(4));
    assert_eq!((first["status"].as_str(), first["error_message"].as_str()), (Some("SUCCESS"), Some("No errors")));

    let user = site.client.user("USER_test2").await;
    assert_eq!(user["email"], "test2@spigit.com");
    assert_eq!(user["first_name"], "test_first2");
    assert_eq!(user["intf_publish_dt"], "2019-01-20");
    assert_eq!(user["job_view"], "Entry level");
    assert_eq!(user["company_id"], "SPG");

    let second = site.client.import(CORRECTED_SAMPLE).await;
    assert_eq!(second.counts(), unchanged(4));
    assert_eq!(second["status"], "SUCCESS");
}

async fn the_vendor_sample_as_published_fails_row_by_row(site: Site) {
    let status = site.client.import(PUBLISHED_SAMPLE).await;
    assert_eq!(status.counts(), failed(4));
    assert_eq!(status["status"], "FAILED");
    let message = status["error_message"].as_str().unwrap();
    assert!(message.starts_with("Line 2: expected 22 values, found 21; with Prefer: handling=lenient, missing values at the end are taken as empty; Line 3: "), "{message}");
}

async fn lenient_handling_pads_the_vendor_sample_as_published(site: Site) {
    let path = site.client.upload_with(&[("prefer", "respond-sync, handling=lenient")], PUBLISHED_SAMPLE).await;
    let status = site.client.wait_until_final(&path).await;
    assert_eq!(status.counts(), created(4));
    assert_eq!(status["warnings"], 4, "the value in INTF_PUBLISH_DT is not a date");
    let user = site.client.user("user_test1").await;
    assert_eq!(user["first_name"], "test_last1");
    assert_eq!(user["company_id"], serde_json::Value::Null);
}

async fn every_outcome_is_counted(site: Site) {
    site.client.import(csv(&format!("{TITLES},badge"), ["a@x,a,A,A,1", "b@x,b,B,B,2", "c@x,c,C,C,"])).await;
    let file = csv(
        &format!("{TITLES},badge,WORK_CITY"),
        [
            "a@x,a,A,A,1,",     // unchanged
            "b@x,B,B,B,3,Rome", // updated; user names ignore case
            "d@x,d,D,D,,",      // created
            "d@x,d,D,D,4,",     // the same user again: updated
            ",e,E,E,,",         // failed
            "a@x,f,F,F,,",      // failed: the e-mail belongs to `a`
            "c@x,c,C,C,,",      // unchanged
        ],
    );
    let status = site.client.import(file).await;
    assert_eq!(status.counts(), created(1).updated(2).unchanged(2).failed(2));
    assert_eq!(status["status"], "SUCCESS");
    assert_eq!(status["processed_users"], 7);
    assert_eq!(status.errors(), "Line 6: EMAIL is missing; Line 7: EMAIL belongs to another user (user N)");
    let user = site.client.user("b").await;
    assert_eq!(
        (&user["username"], &user["work_city"], &user["attributes"]["badge"]),
        (&"B".into(), &"Rome".into(), &"3".into())
    );
    assert_eq!(site.client.user("d").await["attributes"]["badge"], "4");
    assert_eq!(site.client.user("f").await, serde_json::Value::Null);
}

/// Users occur in several batches, with different values, so that the file has several epochs.
async fn many_batches_have_the_result_of_applying_row_by_row(site: Site) {
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let mut expected = no_rows();
    let mut rows = Vec::new();
    for number in 0..14_000_u32 {
        // This stride visits each of 6,000 users two or three times.
        let user = format!("u{}", (number * 2_503) % 6_000);
        let city = format!("City {}", number % 3);
        if number % 1_000 == 999 {
            rows.push(format!("broken,{user},F,L,{city}"));
            expected = expected.failed(1);
            continue;
        }
        rows.push(format!("{user}@x.example,{user},F,L,{city}"));
        expected = match model.insert(user, city.clone()) {
            None => expected.created(1),
            Some(previous) if previous == city => expected.unchanged(1),
            Some(_) => expected.updated(1),
        };
    }
    let status = site.client.import(csv(&format!("{TITLES},WORK_CITY"), rows)).await;
    assert_eq!(status.counts(), expected);
    for (user, city) in model.iter().step_by(97) {
        assert_eq!(site.client.user(user).await["work_city"], city.as_str(), "{user}");
    }
}

async fn an_unclosed_quote_costs_its_line(site: Site) {
    let mut file = users(["a", "b"]);
    file.push_str("c@x.example,c,\"First,Last\n");
    file.push_str(&users((0..5_000).map(|n| format!("n{n}"))));
    let status = site.client.import(file).await;
    assert_eq!(status.counts(), created(5_002).failed(1), "all other rows are imported");
    assert_eq!(status["skipped_lines"], 1, "the titles of the second file");
    assert_eq!(status["status"], "SUCCESS");
    let errors = site.client.get(&format!("/bulk/v1/files/{}/errors", status["id"])).await.json()["errors"].clone();
    assert_eq!((errors[0]["line"].as_u64(), errors[0]["code"].as_str()), (Some(4), Some("quote_unclosed")));
}

async fn a_header_without_rows_is_a_success(site: Site) {
    let status = site.client.import(format!("{TITLES}\n")).await;
    assert_eq!(status.counts(), no_rows());
    assert_eq!((status["status"].as_str(), status["error_message"].as_str()), (Some("SUCCESS"), Some("No errors")));
}
