//! Which account a row is about: by its uid, or by its login while the account has none.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{counts, counts_and_errors, file, object, on_both, post, post_csv, post_json, post_one, row, users, with};

on_both!(
    accounts_without_a_uid_are_adopted_by_their_login,
    accounts_without_a_uid_are_else_left_alone,
    logins_and_mails_of_others_fail_their_rows,
    logins_and_mails_may_change_hands_in_one_file,
    rows_without_a_uid_fail,
    the_later_of_two_rows_counts,
    managers_may_come_later_or_never,
    tenants_have_their_own_uids,
);

async fn accounts_without_a_uid_are_adopted_by_their_login(site: Site) {
    site.client.import(users(["anna", "boris", "clara"])).await;
    let id = site.client.user("anna").await["id"].clone();
    for (uid, login, more, expected) in [
        ("u1", "anna", json!({}), [0, 1, 0, 0]),
        ("u1", "anna", json!({}), [0; 4]),
        ("u2", "BORIS", json!({}), [0, 1, 0, 0]),
        ("u3", "clara", json!({"status": 1}), [0, 1, 1, 0]),
        ("u4", "dora", json!({}), [1, 0, 0, 0]),
    ] {
        let user = with(with(object(&login.to_lowercase()), &json!({"uid": uid, "login": login})), &more);
        assert_eq!(counts(&post_one(&site, &user).await), expected, "{uid}");
        assert_eq!(site.client.user(login).await["uid"], uid);
    }
    let anna = site.client.user("anna").await;
    assert_eq!((&anna["id"], &anna["email"]), (&id, &json!("anna@x.example")), "the account is still the same");
    assert_eq!(site.client.user("clara").await["blocked_reason"], "dismissed");
    let answer = post_one(&site, &with(object("anna"), &json!({"uid": "u9"}))).await;
    assert_eq!(answer.status, 400, "it has a uid now: {}", answer.text);
    assert_eq!(site.client.user("anna").await["uid"], "u1");
}

async fn accounts_without_a_uid_are_else_left_alone(site: Site) {
    site.client.import(users(["anna"])).await;
    assert_eq!(counts(&post_csv(&site, file([row("boris")])).await), [1, 0, 0, 0]);
    let anna = site.client.user("anna").await;
    assert_eq!((&anna["uid"], &anna["blocked_reason"]), (&Value::Null, &Value::Null));
}

async fn logins_and_mails_of_others_fail_their_rows(site: Site) {
    post_csv(&site, file([row("a"), row("b")])).await;
    let rows = [
        "new1;Last;First;;A;new1@x.example",    // the login of a
        "new2;Last;First;;new2;A@X.EXAMPLE",    // the e-mail of a
        "b;Last;First;;a",                      // b wants the login of a
        "b;Last;First;;b;a@x.example",          // b wants the e-mail of a
        "new3;Last;First;;new3;new3@x.example", // good
        "new4;Last;First;;NEW3;new4@x.example", // the login of a row of the same file
        "new5;Last;First;;new5;new3@x.example", // its e-mail
    ];
    let (counts, errors) = counts_and_errors(&post_csv(&site, file(rows)).await);
    assert_eq!(counts, [1, 0, 0, 0]);
    let found: Vec<(u64, &str, &str)> = errors.iter().map(|(row, field, code)| (*row, &**field, &**code)).collect();
    assert_eq!(
        found,
        [
            (1, "login", "conflict_login"),
            (2, "email", "conflict_email"),
            (3, "login", "conflict_login"),
            (4, "email", "conflict_email"),
            (6, "login", "conflict_login"),
            (7, "email", "conflict_email"),
        ]
    );
    for (login, uid) in [("a", json!("a")), ("b", json!("b")), ("new1", Value::Null), ("new2", Value::Null)] {
        assert_eq!(site.client.user(login).await["uid"], uid, "{login}");
    }
    assert_eq!(site.client.user("b").await["email"], "b@x.example");
}

async fn logins_and_mails_may_change_hands_in_one_file(site: Site) {
    post_csv(&site, file([row("a"), row("b")])).await;
    let rows = ["a;Last;First;;z;z@x.example", "b;Last;First;;a;a@x.example", "c;Last;First;;b;b@x.example"];
    assert_eq!(counts(&post_csv(&site, file(rows)).await), [1, 2, 0, 0]);
    for (login, uid) in [("z", "a"), ("a", "b"), ("b", "c")] {
        let user = site.client.user(login).await;
        assert_eq!((&user["uid"], &user["email"]), (&json!(uid), &json!(format!("{login}@x.example"))));
    }
    assert_eq!(counts(&post_csv(&site, file(rows)).await), [0; 4]);
}

async fn rows_without_a_uid_fail(site: Site) {
    post_csv(&site, file([row("a")])).await;
    let rows = [";Last;Other;;a;a@x.example".to_owned(), "  ;Last;Other;;b;b@x.example".to_owned(), row("007")];
    let (counts, errors) = counts_and_errors(&post_csv(&site, file(rows)).await);
    assert_eq!((counts, errors.len()), ([1, 0, 0, 0], 2));
    assert!(errors.iter().all(|(_, field, code)| (&**field, &**code) == ("uid", "value_empty")), "{errors:?}");
    assert_eq!(site.client.user("a").await["first_name"], "First");
    assert_eq!(site.client.user("b").await, Value::Null);
    assert_eq!(site.client.user("007").await["uid"], "007", "a uid is text");
}

async fn the_later_of_two_rows_counts(site: Site) {
    let cities = |cities: &[&str]| file(cities.iter().map(|city| format!("{};;;;{city}", row("a"))));
    for (name, file, expected, city) in [
        ("new, then changed", cities(&["Rome", "Bonn"]), [1, 1, 0, 0], "Bonn"),
        ("twice the same", cities(&["Oslo", "Oslo"]), [0, 1, 0, 0], "Oslo"),
        ("twice what is there", cities(&["Oslo", "Oslo"]), [0; 4], "Oslo"),
    ] {
        assert_eq!(counts(&post_csv(&site, file).await), expected, "{name}");
        assert_eq!(site.client.user("a").await["city"], city, "{name}");
    }
    // A row that mentions less adds to the one before.
    let rows = json!([with(object("b"), &json!({"city": "Rome"})), {"uid": "b", "phone": "1"}]);
    assert_eq!(counts(&post_json(&site, "batch", rows.to_string()).await), [1, 1, 0, 0]);
    let user = site.client.user("b").await;
    assert_eq!((&user["city"], &user["phone"]), (&json!("Rome"), &json!("1")));
    // A row that fails leaves the one before.
    let rows = [row("c"), "c;Last;Other;;c;c@x.example;;31.02.2020".to_owned()];
    let (counts, errors) = counts_and_errors(&post_csv(&site, file(rows)).await);
    assert_eq!((counts, errors.len()), ([1, 0, 0, 0], 1));
    assert_eq!(site.client.user("c").await["first_name"], "First");
}

async fn managers_may_come_later_or_never(site: Site) {
    let manager = |name: &str, manager: Value| with(object(name), &json!({"manager_uid": manager}));
    let rows = json!([manager("a", json!("b")), manager("b", json!(["nobody", "a"])), manager("c", json!("c"))]);
    assert_eq!(counts(&post_json(&site, "batch", rows.to_string()).await), [3, 0, 0, 0]);
    assert_eq!(site.client.user("a").await["manager_uid"], json!(["b"]));
    assert_eq!(site.client.user("b").await["manager_uid"], json!(["nobody", "a"]));
    assert_eq!(counts(&post_json(&site, "batch", rows.to_string()).await), [0; 4]);
}

async fn tenants_have_their_own_uids(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let kind = [("content-type", "application/json")];
    for (client, city) in [(&site.client, "Rome"), (&other, "Bonn")] {
        let user = with(object("a"), &json!({"city": city}));
        let answer = post(client, "single", &kind, user.to_string().into_bytes()).await;
        assert_eq!(counts(&answer), [1, 0, 0, 0], "{city}");
    }
    assert_eq!(site.client.user("a").await["city"], "Rome");
    assert_eq!(other.user("a").await["city"], "Bonn");
}
