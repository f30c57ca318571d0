//! Which account a row belongs to: the one with its uid, or one without a uid that has its login.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::missing_users::set_tenant_settings;
use super::{
    counts_and_errors, file, object, post, post_csv, post_json, post_one, row, test_on_both_backends, users, with,
};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    a_row_adopts_the_account_with_its_login_that_has_no_uid,
    other_accounts_without_a_uid_are_left_alone,
    rows_with_the_login_or_email_of_another_user_fail,
    logins_and_emails_can_change_hands_within_a_file,
    rows_without_a_uid_fail,
    the_later_of_two_rows_wins,
    a_new_user_has_the_password_of_the_row_that_creates_it,
    a_uid_that_no_user_can_have_fails_its_row_alone,
    a_manager_does_not_have_to_exist,
    uids_are_separate_for_each_tenant,
);

async fn a_row_adopts_the_account_with_its_login_that_has_no_uid(site: Site) {
    site.client.import(users(["anna", "boris", "clara"])).await;
    let id = site.client.user("anna").await["id"].clone();
    for (uid, login, more, expected) in [
        ("u1", "anna", json!({}), reply().updated(1)),
        ("u1", "anna", json!({}), reply()),
        ("u2", "BORIS", json!({}), reply().updated(1)),
        ("u3", "clara", json!({"status": 1}), reply().updated(1).blocked(1)),
        ("u4", "dora", json!({}), reply().created(1)),
    ] {
        let user = with(with(object(&login.to_lowercase()), &json!({"uid": uid, "login": login})), &more);
        assert_eq!(post_one(&site, &user).await.counts(), expected, "{uid}");
        assert_eq!(site.client.user(login).await["uid"], uid);
    }
    let anna = site.client.user("anna").await;
    assert_eq!((&anna["id"], &anna["email"]), (&id, &json!("anna@x.example")), "the account is the same");
    assert_eq!(site.client.user("clara").await["blocked_reason"], "dismissed");
    let response = post_one(&site, &with(object("anna"), &json!({"uid": "u9"}))).await;
    assert_eq!(response.status, 400, "the account has another uid now: {}", response.text);
    assert_eq!(site.client.user("anna").await["uid"], "u1");
}

async fn other_accounts_without_a_uid_are_left_alone(site: Site) {
    site.client.import(users(["anna"])).await;
    assert_eq!(post_csv(&site, file([row("boris")])).await.counts(), reply().created(1));
    let anna = site.client.user("anna").await;
    assert_eq!((&anna["uid"], &anna["blocked_reason"]), (&Value::Null, &Value::Null));
}

async fn rows_with_the_login_or_email_of_another_user_fail(site: Site) {
    post_csv(&site, file([row("a"), row("b")])).await;
    let rows = [
        "new1;Last;First;;A;new1@x.example",    // the login of `a`
        "new2;Last;First;;new2;A@X.EXAMPLE",    // the e-mail of `a`
        "b;Last;First;;a",                      // `b` claims the login of `a`
        "b;Last;First;;b;a@x.example",          // `b` claims the e-mail of `a`
        "new3;Last;First;;new3;new3@x.example", // good
        "new4;Last;First;;NEW3;new4@x.example", // the login of `new3`
        "new5;Last;First;;new5;new3@x.example", // the e-mail of `new3`
    ];
    let (counts, errors) = counts_and_errors(&post_csv(&site, file(rows)).await);
    assert_eq!(counts, reply().created(1).failed(6));
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

async fn logins_and_emails_can_change_hands_within_a_file(site: Site) {
    post_csv(&site, file([row("a"), row("b")])).await;
    let rows = ["a;Last;First;;z;z@x.example", "b;Last;First;;a;a@x.example", "c;Last;First;;b;b@x.example"];
    assert_eq!(post_csv(&site, file(rows)).await.counts(), reply().created(1).updated(2));
    for (login, uid) in [("z", "a"), ("a", "b"), ("b", "c")] {
        let user = site.client.user(login).await;
        assert_eq!((&user["uid"], &user["email"]), (&json!(uid), &json!(format!("{login}@x.example"))));
    }
    assert_eq!(post_csv(&site, file(rows)).await.counts(), reply());
}

async fn rows_without_a_uid_fail(site: Site) {
    post_csv(&site, file([row("a")])).await;
    let rows = [";Last;Other;;a;a@x.example".to_owned(), "  ;Last;Other;;b;b@x.example".to_owned(), row("007")];
    let (counts, errors) = counts_and_errors(&post_csv(&site, file(rows)).await);
    assert_eq!(counts, reply().created(1).failed(2));
    assert!(errors.iter().all(|(_, field, code)| (&**field, &**code) == ("uid", "value_empty")), "{errors:?}");
    assert_eq!(site.client.user("a").await["first_name"], "First");
    assert_eq!(site.client.user("b").await, Value::Null);
    assert_eq!(site.client.user("007").await["uid"], "007", "a uid is text");
}

async fn the_later_of_two_rows_wins(site: Site) {
    let cities = |cities: &[&str]| file(cities.iter().map(|city| format!("{};;;;{city}", row("a"))));
    for (name, file, expected, city) in [
        ("new, then changed", cities(&["Rome", "Bonn"]), reply().created(1).updated(1), "Bonn"),
        ("changed, then repeated", cities(&["Oslo", "Oslo"]), reply().updated(1), "Oslo"),
        ("unchanged and repeated", cities(&["Oslo", "Oslo"]), reply(), "Oslo"),
    ] {
        assert_eq!(post_csv(&site, file).await.counts(), expected, "{name}");
        assert_eq!(site.client.user("a").await["city"], city, "{name}");
    }
    // A later row with fewer keys keeps the other values of the earlier row.
    let rows = json!([with(object("b"), &json!({"city": "Rome"})), {"uid": "b", "phone": "1"}]);
    assert_eq!(post_json(&site, "batch", rows.to_string()).await.counts(), reply().created(1).updated(1));
    let user = site.client.user("b").await;
    assert_eq!((&user["city"], &user["phone"]), (&json!("Rome"), &json!("1")));
    // A later row that fails leaves the earlier row in effect.
    let rows = [row("c"), "c;Last;Other;;c;c@x.example;;31.02.2020".to_owned()];
    assert_eq!(post_csv(&site, file(rows)).await.counts_with_details(), reply().created(1).failed(1));
    assert_eq!(site.client.user("c").await["first_name"], "First");
}

async fn a_manager_does_not_have_to_exist(site: Site) {
    let with_manager = |name: &str, manager: Value| with(object(name), &json!({"manager_uid": manager}));
    let rows = json!([
        with_manager("a", json!("b")),
        with_manager("b", json!(["nobody", "a"])),
        with_manager("c", json!("c")),
    ]);
    assert_eq!(post_json(&site, "batch", rows.to_string()).await.counts(), reply().created(3));
    assert_eq!(site.client.user("a").await["manager_uid"], json!(["b"]));
    assert_eq!(site.client.user("b").await["manager_uid"], json!(["nobody", "a"]));
    assert_eq!(post_json(&site, "batch", rows.to_string()).await.counts(), reply());
}

async fn uids_are_separate_for_each_tenant(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let headers = [("content-type", "application/json")];
    for (client, city) in [(&site.client, "Rome"), (&other, "Bonn")] {
        let user = with(object("a"), &json!({"city": city}));
        let response = post(client, "single", &headers, user.to_string().into_bytes()).await;
        assert_eq!(response.counts(), reply().created(1), "{city}");
    }
    assert_eq!(site.client.user("a").await["city"], "Rome");
    assert_eq!(other.user("a").await["city"], "Bonn");
}

/// The first row of the new user fails, because an earlier row has its e-mail; the second one creates the user.
async fn a_new_user_has_the_password_of_the_row_that_creates_it(site: Site) {
    let taken = with(object("n"), &json!({"email": "a@x.example", "password": "111"}));
    let creating = with(object("n"), &json!({"password": "222"}));
    let rows = Value::from(vec![object("a"), taken, creating]);
    let response = post_json(&site, "batch", rows.to_string()).await;
    assert_eq!(response.counts_with_details(), reply().created(2).failed(1));
    let query = "select count(*) from users where uid = 'n' and password_hash is not null";
    if let Some(servers) = &site.servers {
        assert_eq!(servers.number(query).await, 1);
    }
}

/// Postgres cannot even look up a uid with a NUL.
async fn a_uid_that_no_user_can_have_fails_its_row_alone(mut site: Site) {
    set_tenant_settings(&mut site, &["--missing-users", "block"]).await;
    let unusable = with(object("b"), &json!({"uid": "b\u{0}"}));
    let response = post_json(&site, "batch", Value::from(vec![object("a"), unusable]).to_string()).await;
    assert_eq!(response.counts_with_details(), reply().created(1).failed(1));
}
