//! The main path: a file comes in, every row is applied or explained.

use std::collections::BTreeMap;

use muster_testkit::Site;

use super::{TITLES, counts, csv, on_both, users};

on_both!(
    the_vendor_sample_is_imported_and_read_back,
    the_sample_as_printed_fails_row_by_row,
    lenient_handling_pads_the_sample_as_printed,
    every_outcome_is_counted,
    many_batches_give_the_users_of_a_single_run,
    an_unclosed_quote_ends_the_file_at_its_line,
    a_header_without_rows_is_a_success,
);

const GOOD: &str = include_str!("../../fixtures/spigit-good.csv");
const SEED: &str = include_str!("../../fixtures/spigit-seed.csv");

async fn the_vendor_sample_is_imported_and_read_back(site: Site) {
    let first = site.client.import(GOOD).await;
    assert_eq!(counts(&first), [4, 4, 0, 0, 0]);
    assert_eq!((first["status"].as_str(), first["error_message"].as_str()), (Some("SUCCESS"), Some("No errors")));

    let user = site.client.user("USER_test2").await;
    assert_eq!(user["email"], "test2@spigit.com");
    assert_eq!(user["first_name"], "test_first2");
    assert_eq!(user["intf_publish_dt"], "2019-01-20");
    assert_eq!(user["job_view"], "Entry level");
    assert_eq!(user["company_id"], "SPG");

    let again = site.client.import(GOOD).await;
    assert_eq!(counts(&again), [4, 0, 0, 4, 0]);
    assert_eq!(again["status"], "SUCCESS");
}

async fn the_sample_as_printed_fails_row_by_row(site: Site) {
    let status = site.client.import(SEED).await;
    assert_eq!(counts(&status), [4, 0, 0, 0, 4]);
    assert_eq!(status["status"], "FAILED");
    let message = status["error_message"].as_str().unwrap();
    assert!(message.starts_with("Line 2: expected 22 values, found 21; Line 3: "), "{message}");
}

async fn lenient_handling_pads_the_sample_as_printed(site: Site) {
    let path = site.client.upload_with(&[("prefer", "respond-sync, handling=lenient")], SEED).await;
    let status = site.client.finished(&path).await;
    assert_eq!(counts(&status), [4, 4, 0, 0, 0]);
    assert_eq!(status["warnings"], 4, "the value under INTF_PUBLISH_DT is no date");
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
            "b@x,B,B,B,3,Rome", // updated, found by its folded name
            "d@x,d,D,D,,",      // created
            "d@x,d,D,D,4,",     // the same user again: updated
            ",e,E,E,,",         // failed
            "a@x,f,F,F,,",      // failed: the e-mail is a's
            "c@x,c,C,C,,",      // unchanged
        ],
    );
    let status = site.client.import(file).await;
    assert_eq!(counts(&status), [7, 1, 2, 2, 2]);
    assert_eq!(status["status"], "SUCCESS");
    assert_eq!(status["processed_users"], 7);
    assert_eq!(status["error_message"], "Line 6: EMAIL is missing; Line 7: EMAIL belongs to another user");
    let user = site.client.user("b").await;
    assert_eq!(
        (&user["username"], &user["work_city"], &user["attributes"]["badge"]),
        (&"B".into(), &"Rome".into(), &"3".into())
    );
    assert_eq!(site.client.user("d").await["attributes"]["badge"], "4");
    assert_eq!(site.client.user("f").await, serde_json::Value::Null);
}

/// Users repeat far apart (epochs) and next to each other, with other values each time.
async fn many_batches_give_the_users_of_a_single_run(site: Site) {
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let mut expected = [0_u64; 5];
    let mut rows = Vec::new();
    for number in 0..14_000_u32 {
        // A stride that visits each of 6,000 users two or three times.
        let user = format!("u{}", (number * 2_503) % 6_000);
        let city = format!("City {}", number % 3);
        if number % 1_000 == 999 {
            rows.push(format!("broken,{user},F,L,{city}"));
            expected[4] += 1;
            continue;
        }
        rows.push(format!("{user}@x.example,{user},F,L,{city}"));
        match model.insert(user, city.clone()) {
            None => expected[1] += 1,
            Some(before) if before == city => expected[3] += 1,
            Some(_) => expected[2] += 1,
        }
    }
    expected[0] = rows.len() as u64;
    let status = site.client.import(csv(&format!("{TITLES},WORK_CITY"), rows)).await;
    assert_eq!(counts(&status), expected);
    for (user, city) in model.iter().step_by(97) {
        assert_eq!(site.client.user(user).await["work_city"], city.as_str(), "{user}");
    }
}

async fn an_unclosed_quote_ends_the_file_at_its_line(site: Site) {
    let mut file = users(["a", "b"]);
    file.push_str("c@x.example,c,\"First,Last\n");
    file.push_str(&users((0..5_000).map(|n| format!("n{n}"))));
    let status = site.client.import(file).await;
    assert_eq!(counts(&status), [2, 2, 0, 0, 0], "what was read before is kept");
    assert_eq!(status["status"], "FAILED");
    assert_eq!(status["error_message"], "Line 4: a value that begins with a quote does not end with one");
    let errors = site.client.get(&format!("/bulk/v1/files/{}/errors", status["id"])).await.json()["errors"].clone();
    assert_eq!((errors[0]["line"].as_u64(), errors[0]["code"].as_str()), (Some(4), Some("quote_unclosed")));
}

async fn a_header_without_rows_is_a_success(site: Site) {
    let status = site.client.import(format!("{TITLES}\n")).await;
    assert_eq!(counts(&status), [0; 5]);
    assert_eq!((status["status"].as_str(), status["error_message"].as_str()), (Some("SUCCESS"), Some("No errors")));
}
