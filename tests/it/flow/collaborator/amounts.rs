//! A few users are written one by one, many in one go: the outcome is the same.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{object, on_both, post_json, with};
use crate::flow::{TITLES, counts, csv};

on_both!(
    rows_of_one_api_leave_what_the_other_wrote,
    emails_of_earlier_files_stay_with_their_users,
    users_of_whom_some_are_there_are_created_and_changed,
);

/// Users of a file: with few, and with more than are written one by one.
const AMOUNTS: [usize; 2] = [3, 50];

/// Names of users, other ones for each amount.
fn names(amount: usize) -> Vec<String> {
    (0..amount).map(|number| format!("of{amount}-{number}")).collect()
}

fn row(name: &str, first_name: &str) -> String {
    format!("{name}@x.example,{name},{first_name},Last")
}

fn rows(names: &[String], first_name: &str) -> Vec<String> {
    names.iter().map(|name| row(name, first_name)).collect()
}

async fn rows_of_one_api_leave_what_the_other_wrote(site: Site) {
    let facts = json!({"city": "Oslo", "language": "uk", "tags": "x, y"});
    for amount in AMOUNTS {
        let names = names(amount);
        let objects: Vec<Value> = names.iter().map(|name| with(object(name), &facts)).collect();
        post_json(&site, "batch", json!(objects).to_string()).await;
        let status = site.client.import(csv(TITLES, rows(&names, "Changed"))).await;
        let total = amount as u64;
        assert_eq!(counts(&status), [total, 0, total, 0, 0], "{amount} of Spigit");
        let objects: Vec<Value> = names.iter().map(|name| json!({"uid": name, "city": "Rome"})).collect();
        let answer = post_json(&site, "batch", json!(objects).to_string()).await;
        assert_eq!(super::counts(&answer), [0, total, 0, 0], "{amount} of Collaborator");
        for name in [names.first().unwrap(), names.last().unwrap()] {
            let user = site.client.user(name).await;
            assert_eq!((&user["uid"], &user["first_name"]), (&json!(name), &json!("Changed")), "{user}");
            assert_eq!((&user["city"], &user["language"]), (&json!("Rome"), &json!("uk")), "{user}");
            assert_eq!(user["tags"], json!(["x", "y"]), "{user}");
        }
    }
}

async fn emails_of_earlier_files_stay_with_their_users(site: Site) {
    site.client.import(csv(TITLES, [row("owner", "First")])).await;
    for amount in AMOUNTS {
        let (names, total) = (names(amount), amount as u64);
        for (first_name, created) in [("First", 1), ("Changed", 0)] {
            let mut rows = rows(&names, first_name);
            rows.insert(1, format!("OWNER@x.example,thief{amount},First,Last"));
            let status = site.client.import(csv(TITLES, rows)).await;
            assert_eq!(counts(&status), [total + 1, created * total, (1 - created) * total, 0, 1], "{first_name}");
            assert_eq!(status["error_message"], "Line 3: EMAIL belongs to another user");
        }
        // One who is there wants it too.
        let mut rows = rows(&names, "Last");
        rows[1] = format!("owner@x.example,{},Last,Last", names[1]);
        let status = site.client.import(csv(TITLES, rows)).await;
        assert_eq!(counts(&status), [total, 0, total - 1, 0, 1]);
        assert_eq!(status["error_message"], "Line 3: EMAIL belongs to another user");
        let user = site.client.user(&names[1]).await;
        assert_eq!(
            (&user["first_name"], &user["email"]),
            (&json!("Changed"), &json!(format!("{}@x.example", names[1])))
        );
    }
    assert_eq!(site.client.user("owner").await["email"], "owner@x.example");
}

async fn users_of_whom_some_are_there_are_created_and_changed(site: Site) {
    for amount in AMOUNTS {
        let (known, new) = (names(amount), names(amount + 1));
        site.client.import(csv(TITLES, rows(&known, "First"))).await;
        let file = [rows(&new, "First"), rows(&known, "Changed")].concat();
        let status = site.client.import(csv(TITLES, file)).await;
        let [created, updated] = [new.len() as u64, known.len() as u64];
        assert_eq!(counts(&status), [created + updated, created, updated, 0, 0]);
        for (name, first_name) in [(new.last(), "First"), (known.last(), "Changed")] {
            assert_eq!(site.client.user(name.unwrap()).await["first_name"], first_name);
        }
    }
}
