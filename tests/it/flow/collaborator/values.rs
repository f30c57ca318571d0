//! What each form of a value does to a user: absent, null, empty, or one of several notations.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{
    assert_no_failures, counts_and_errors, csv, file, object, post_csv, post_json, post_one, row,
    test_on_both_backends, with,
};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    absent_and_null_values_keep_a_field_and_empty_ones_clear_or_keep_it,
    missing_cells_keep_a_field_and_empty_ones_clear_or_keep_it,
    every_notation_of_a_value_is_read,
    status_and_is_active_block_and_unblock_a_user,
    a_new_blocked_user_is_counted_as_created_only,
    a_failed_row_does_not_change_its_user,
    the_single_endpoint_requires_five_values,
    passwords_appear_in_no_response_and_no_log,
    csv_columns_are_read_by_position,
);

/// (key of the request, key of the stored user, value of the request, stored value, whether an empty text clears it)
type OptionalField = (&'static str, &'static str, Value, Value, bool);

fn optional_fields() -> Vec<OptionalField> {
    let text = |key: &'static str, clears: bool| {
        (key, key, json!(format!("some {key}")), json!(format!("some {key}")), clears)
    };
    let date = |key: &'static str| (key, key, json!("26.07.1988"), json!("1988-07-26"), true);
    let list = |key: &'static str| (key, key, json!("x, y"), json!(["x", "y"]), true);
    vec![
        text("patronymic", true),
        ("email", "email", json!("u@x.example"), json!("u@x.example"), false),
        date("birth_date"),
        ("gender", "gender", json!("1"), json!("1"), false),
        text("city", true),
        text("department", true),
        text("position", true),
        list("tags"),
        text("phone", true),
        date("date_of_employment"),
        text("google_id", true),
        text("work_contact", true),
        date("date_of_assignment_current_position"),
        list("structure_uid"),
        text("user_field1", true),
        text("user_field2", true),
        text("user_field3", true),
        ("customInfo", "custom_info", json!(r#"{"a":["b"]}"#), json!({"a": ["b"]}), false),
        ("language", "language", json!("uk"), json!("uk"), false),
        text("user_field4", true),
        text("user_field5", true),
        ("role_id", "role_id", json!("3"), json!("3"), false),
        list("manager_uid"),
        text("facebook_id", true),
    ]
}

/// Checks the optional fields. `facebook_id` is left out, since CSV files have no column for it.
async fn assert_optional_fields(site: &Site, is_cleared: bool) {
    let user = site.client.user("u").await;
    for (key, column, _, stored, clears) in optional_fields() {
        if key == "facebook_id" {
            continue;
        }
        let expected = if is_cleared && clears { Value::Null } else { stored };
        assert_eq!(user[column], expected, "{key} of {user}");
    }
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!("First"), &json!("Last")));
}

async fn absent_and_null_values_keep_a_field_and_empty_ones_clear_or_keep_it(site: Site) {
    let with_all = |value: &dyn Fn(Value) -> Value| {
        optional_fields()
            .into_iter()
            .fold(object("u"), |user, (key, _, given, ..)| with(user, &json!({key: value(given)})))
    };
    assert_eq!(post_one(&site, &with_all(&|given| given)).await.counts(), reply().created(1));
    assert_optional_fields(&site, false).await;
    for (name, user) in [
        ("the same values", with_all(&|given| given)),
        ("absent values", json!({"uid": "u"})),
        ("null", with(with_all(&|_| Value::Null), &json!({"login": null, "firstname": null, "status": null}))),
    ] {
        assert_eq!(post_one(&site, &user).await.counts(), reply(), "{name}");
        assert_optional_fields(&site, false).await;
    }
    assert_eq!(site.client.user("u").await["facebook_id"], "some facebook_id");
    for expected in [reply().updated(1), reply()] {
        assert_eq!(post_one(&site, &with_all(&|_| json!(""))).await.counts(), expected, "empty");
        assert_optional_fields(&site, true).await;
    }
    assert_eq!(site.client.user("u").await["facebook_id"], Value::Null);
    assert_eq!(
        post_one(&site, &with_all(&|given| given)).await.counts(),
        reply().updated(1),
        "all values are set again"
    );
    assert_eq!(
        post_one(&site, &with_all(&|_| json!(" \t "))).await.counts(),
        reply().updated(1),
        "blanks count as empty"
    );
    assert_optional_fields(&site, true).await;
}

async fn missing_cells_keep_a_field_and_empty_ones_clear_or_keep_it(site: Site) {
    let cells: Vec<(String, bool)> = ["uid", "secondname", "firstname", "patronymic", "login", "email", "password"]
        .into_iter()
        .chain(optional_fields().into_iter().map(|(key, ..)| key).filter(|key| !["patronymic", "email"].contains(key)))
        .filter(|key| *key != "facebook_id")
        .map(|key| match key {
            "uid" | "login" => ("u".to_owned(), false),
            "secondname" => ("Last".to_owned(), false),
            "firstname" => ("First".to_owned(), false),
            "password" => ("111".to_owned(), true),
            key => {
                (optional_fields().iter().find(|field| field.0 == key).unwrap().2.as_str().unwrap().to_owned(), true)
            }
        })
        .collect();
    let line = |cells: &[String]| {
        let mut cells = cells.to_vec();
        if cells.len() > 14 {
            cells.insert(14, String::new());
        }
        file([cells.join(";")])
    };
    let full: Vec<String> = cells.iter().map(|(cell, _)| cell.clone()).collect();
    let empty: Vec<String> =
        cells.iter().map(|(cell, may_be_empty)| if *may_be_empty { String::new() } else { cell.clone() }).collect();
    assert_eq!(full.len(), 28, "all columns but the status");
    assert_eq!(post_csv(&site, line(&full)).await.counts(), reply().created(1));
    assert_optional_fields(&site, false).await;
    for length in [28, 20, 15, 8, 5] {
        assert_eq!(post_csv(&site, line(&full[..length])).await.counts(), reply(), "{length} cells");
        assert_optional_fields(&site, false).await;
    }
    for expected in [reply().updated(1), reply()] {
        assert_eq!(post_csv(&site, line(&empty)).await.counts(), expected);
        assert_optional_fields(&site, true).await;
    }
}

async fn every_notation_of_a_value_is_read(site: Site) {
    let nested = json!({"a": {"b": [1, 2.5, null, true, "\u{1f600}"]}});
    let cases = [
        ("birth_date", json!("26.07.1988"), json!("1988-07-26")),
        ("birth_date", json!("1988-07-27"), json!("1988-07-27")),
        ("birth_date", json!("29.02.2020"), json!("2020-02-29")),
        ("date_of_employment", json!("2015-02-21"), json!("2015-02-21")),
        ("date_of_assignment_current_position", json!(" 20.03.2016"), json!("2016-03-20")),
        ("gender", json!(0), json!("0")),
        ("gender", json!("1"), json!("1")),
        ("gender", json!(1), json!("1")),
        ("gender", json!(""), json!("1")),
        ("tags", json!("a, b,,a , c "), json!(["a", "b", "c"])),
        ("tags", json!(["d", " e ", "", "d"]), json!(["d", "e"])),
        ("tags", json!(["f"]), json!(["f"])),
        ("tags", json!([]), Value::Null),
        ("structure_uid", json!("a2701216083"), json!(["a2701216083"])),
        ("structure_uid", json!("a1, a2"), json!(["a1", "a2"])),
        ("structure_uid", json!(["a3", "a4"]), json!(["a3", "a4"])),
        ("structure_uid", json!(""), Value::Null),
        ("manager_uid", json!("nobody"), json!(["nobody"])),
        ("manager_uid", json!(["m1", "m2", "m1"]), json!(["m1", "m2"])),
        ("manager_uid", json!(["u"]), json!(["u"])),
        ("customInfo", nested.clone(), nested.clone()),
        ("customInfo", json!(nested.to_string()), nested.clone()),
        ("customInfo", json!(" {} "), json!({})),
        ("customInfo", json!(["x"]), json!(["x"])),
        ("customInfo", json!(""), json!(["x"])),
        ("role_id", json!(3), json!("3")),
        ("role_id", json!("4"), json!("4")),
        ("role_id", Value::Null, json!("4")),
        ("firstname", json!("  Zoë  "), json!("Zoë")),
        ("phone", json!("0971111111"), json!("0971111111")),
        ("position", json!("<b>'; drop table users;--"), json!("<b>'; drop table users;--")),
        ("work_contact", json!("two\nlines"), json!("two\nlines")),
    ];
    for (key, given, stored) in cases {
        let response = post_one(&site, &with(object("u"), &json!({key: given}))).await;
        let column = if key == "customInfo" { "custom_info" } else { key };
        let column = if key == "firstname" { "first_name" } else { column };
        assert_no_failures(&response);
        assert_eq!(site.client.user("u").await[column], stored, "{key}: {given}");
    }
    for cell in [r#"{"a":"b"}"#, r#""{""a"":""b""}""#] {
        assert_no_failures(&post_csv(&site, file([format!("{}{}{cell}", row("u"), ";".repeat(18))])).await);
        assert_eq!(site.client.user("u").await["custom_info"], json!({"a": "b"}), "{cell}");
    }
}

async fn status_and_is_active_block_and_unblock_a_user(site: Site) {
    for (more, expected, reason) in [
        (json!({}), reply().created(1), Value::Null),
        (json!({"status": "0", "is_active": "1"}), reply(), Value::Null),
        (json!({"status": "1"}), reply().blocked(1), json!("dismissed")),
        (json!({"status": 1}), reply(), json!("dismissed")),
        (json!({"status": "2"}), reply().updated(1), json!("maternity_leave")),
        (json!({"status": 3}), reply().updated(1), json!("sick_leave")),
        (json!({}), reply().unblocked(1), Value::Null),
        (json!({"is_active": 0}), reply().blocked(1), json!("inactive")),
        (json!({"is_active": "0"}), reply(), json!("inactive")),
        (json!({"is_active": false}), reply(), json!("inactive")),
        (json!({"is_active": true}), reply().unblocked(1), Value::Null),
        (json!({"status": "1", "is_active": 1}), reply().blocked(1), json!("dismissed")),
        (json!({"status": "0", "is_active": 0}), reply().updated(1), json!("inactive")),
        (json!({"status": "", "is_active": ""}), reply().unblocked(1), Value::Null),
        (json!({"status": "3", "city": "Rome"}), reply().updated(1).blocked(1), json!("sick_leave")),
        (json!({"status": null, "city": "Bonn"}), reply().updated(1).unblocked(1), Value::Null),
    ] {
        assert_eq!(post_one(&site, &with(object("u"), &more)).await.counts(), expected, "{more}");
        assert_eq!(site.client.user("u").await["blocked_reason"], reason, "{more}");
    }
}

async fn a_new_blocked_user_is_counted_as_created_only(site: Site) {
    for (name, more, reason) in [
        ("a", json!({"status": "1"}), "dismissed"),
        ("b", json!({"status": 2}), "maternity_leave"),
        ("c", json!({"status": 3}), "sick_leave"),
        ("d", json!({"is_active": 0}), "inactive"),
    ] {
        assert_eq!(post_one(&site, &with(object(name), &more)).await.counts(), reply().created(1), "{more}");
        assert_eq!(site.client.user(name).await["blocked_reason"], reason);
    }
    let all = json!(["a", "b", "c", "d"].map(object)).to_string();
    assert_eq!(post_json(&site, "batch", all).await.counts(), reply().unblocked(4));
}

async fn a_failed_row_does_not_change_its_user(site: Site) {
    post_one(&site, &with(object("u"), &json!({"status": 1, "city": "Rome"}))).await;
    for (more, field, code) in [
        (json!({"status": "9"}), "status", "status_invalid"),
        (json!({"birth_date": "31.02.2020"}), "birth_date", "date_invalid"),
        (json!({"gender": 5}), "gender", "gender_invalid"),
        (json!({"secondname": ""}), "secondname", "value_empty"),
        (json!({"login": " "}), "login", "value_empty"),
    ] {
        let bad = with(with(object("u"), &json!({"city": "Bonn"})), &more);
        let response = post_json(&site, "batch", json!([bad, object("other")]).to_string()).await;
        let (_, errors) = counts_and_errors(&response);
        assert_eq!(errors, [(1, field.to_owned(), code.to_owned())], "{more}");
        let user = site.client.user("u").await;
        assert_eq!((&user["city"], &user["blocked_reason"]), (&json!("Rome"), &json!("dismissed")), "{more}");
    }
}

async fn the_single_endpoint_requires_five_values(site: Site) {
    for key in ["uid", "secondname", "firstname", "login", "email"] {
        for value in [Value::Null, json!(""), json!("  ")] {
            let response = post_json(&site, "single", with(object("u"), &json!({key: value})).to_string()).await;
            assert_eq!(response.status, 400, "{key}: {value}");
            assert!(response.json()["data"][key].is_string(), "{}", response.text);
        }
        let mut user = object("u");
        user.as_object_mut().unwrap().remove(key);
        let response = post_json(&site, "single", user.to_string()).await;
        assert_eq!((response.status, response.json()["data"][key].is_string()), (400, true), "{}", response.text);
    }
    assert_eq!(site.client.user("u").await, Value::Null);
    assert_eq!(post_json(&site, "single", object("u").to_string()).await.counts(), reply().created(1));
}

async fn passwords_appear_in_no_response_and_no_log(site: Site) {
    let canary = json!({"password": "canary-7f3a"});
    let bad = with(with(object("bad"), &canary), &json!({"gender": 5}));
    let responses = [
        post_json(&site, "single", with(object("a"), &canary).to_string()).await,
        post_json(&site, "batch", json!([with(object("b"), &canary), bad]).to_string()).await,
        post_csv(&site, file([format!("{};canary-7f3a", row("c")), "canary-7f3a;;;;;;canary-7f3a".to_owned()])).await,
        post_csv(&site, file([format!("{};canary-7f3a;31.02.2020", row("d"))])).await,
        post_json(&site, "single", with(object("e"), &json!({"password": ["canary-7f3a"]})).to_string()).await,
    ];
    for response in responses {
        assert!(!response.text.contains("canary"), "{}", response.text);
    }
    for login in ["a", "b", "c"] {
        let user = site.client.get(&format!("/bulk/v1/users/{login}")).await;
        assert_eq!(user.json()["uid"], login);
        assert!(!user.text.contains("canary") && !user.text.contains("password"), "{}", user.text);
        assert!(!user.text.contains("argon2"), "{}", user.text);
    }
    assert!(!site.output().contains("canary"), "a password is in a log");
}

async fn csv_columns_are_read_by_position(site: Site) {
    for (name, titles) in [
        ("a", "ID;Last name;First name;Middle name;Login;Email"),
        ("b", "ИД;Фамилия;Имя;Отчество;Логин;Почта"),
        ("c", "x;x;x"),
    ] {
        assert_eq!(post_csv(&site, csv(titles, [row(name)])).await.counts(), reply().created(1), "{titles}");
        assert_eq!(site.client.user(name).await["email"], format!("{name}@x.example"), "{titles}");
    }
}
