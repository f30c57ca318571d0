//! Small batches are written row by row and large ones in bulk: the result is the same.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{object, post_json, with};
use crate::flow::expected::{Reply, Status, created, reply, updated};
use crate::flow::{TITLES, csv, test_on_both_backends};

test_on_both_backends!(
    a_row_of_one_dialect_keeps_the_fields_of_the_other,
    emails_of_earlier_files_stay_with_their_users,
    a_mix_of_new_and_known_users_is_created_and_updated,
);

/// Numbers of users in a file: few enough to be written row by row, and enough to be written in bulk.
const FILE_SIZES: [usize; 2] = [3, 50];

/// As many user names, different for each `size`.
fn names(size: usize) -> Vec<String> {
    (0..size).map(|number| format!("of{size}-{number}")).collect()
}

fn row(name: &str, first_name: &str) -> String {
    format!("{name}@x.example,{name},{first_name},Last")
}

fn rows(names: &[String], first_name: &str) -> Vec<String> {
    names.iter().map(|name| row(name, first_name)).collect()
}

async fn a_row_of_one_dialect_keeps_the_fields_of_the_other(site: Site) {
    let collaborator_fields = json!({"city": "Oslo", "language": "uk", "tags": "x, y"});
    for size in FILE_SIZES {
        let names = names(size);
        let objects: Vec<Value> = names.iter().map(|name| with(object(name), &collaborator_fields)).collect();
        post_json(&site, "batch", json!(objects).to_string()).await;
        let status = site.client.import(csv(TITLES, rows(&names, "Changed"))).await;
        assert_eq!(status.counts(), updated(size as u64), "{size} users of Spigit");
        let objects: Vec<Value> = names.iter().map(|name| json!({"uid": name, "city": "Rome"})).collect();
        let response = post_json(&site, "batch", json!(objects).to_string()).await;
        assert_eq!(response.counts(), reply().updated(size as u64), "{size} users of Collaborator");
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
    for size in FILE_SIZES {
        let (names, users) = (names(size), size as u64);
        for (first_name, expected) in [("First", created(users)), ("Changed", updated(users))] {
            let mut rows = rows(&names, first_name);
            rows.insert(1, format!("OWNER@x.example,thief{size},First,Last"));
            let status = site.client.import(csv(TITLES, rows)).await;
            assert_eq!(status.counts(), expected.failed(1), "{first_name}");
            assert_eq!(status.errors(), "Line 3: EMAIL belongs to another user (user N)");
        }
        // A known user cannot take the e-mail either.
        let mut rows = rows(&names, "Last");
        rows[1] = format!("owner@x.example,{},Last,Last", names[1]);
        let status = site.client.import(csv(TITLES, rows)).await;
        assert_eq!(status.counts(), updated(users - 1).failed(1));
        assert_eq!(status.errors(), "Line 3: EMAIL belongs to another user (user N)");
        let user = site.client.user(&names[1]).await;
        assert_eq!(
            (&user["first_name"], &user["email"]),
            (&json!("Changed"), &json!(format!("{}@x.example", names[1])))
        );
    }
    assert_eq!(site.client.user("owner").await["email"], "owner@x.example");
}

async fn a_mix_of_new_and_known_users_is_created_and_updated(site: Site) {
    for size in FILE_SIZES {
        let (known, new) = (names(size), names(size + 1));
        site.client.import(csv(TITLES, rows(&known, "First"))).await;
        let file = [rows(&new, "First"), rows(&known, "Changed")].concat();
        let status = site.client.import(csv(TITLES, file)).await;
        assert_eq!(status.counts(), created(new.len() as u64).updated(known.len() as u64));
        for (name, first_name) in [(new.last(), "First"), (known.last(), "Changed")] {
            assert_eq!(site.client.user(name.unwrap()).await["first_name"], first_name);
        }
    }
}
