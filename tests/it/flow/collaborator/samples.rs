//! The vendor's published files, and what the next night's file makes of them.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{counts, on_both, post_csv, post_json};

on_both!(
    the_published_file_is_imported_and_read_back,
    each_change_of_the_published_file_is_counted,
    the_older_file_in_windows_1251_is_imported_and_read_back,
    the_published_batch_is_imported_and_read_back,
    each_change_of_the_published_batch_is_counted,
    the_published_single_user_is_imported,
);

const FILE: &str = include_str!("../../../fixtures/collaborator-24.csv");
const OLDER: &[u8] = include_bytes!("../../../fixtures/collaborator-13-cp1251.csv");
const BATCH: &str = include_str!("../../../fixtures/collaborator-batch.json");

/// Compares some keys of a user.
async fn check(site: &Site, login: &str, expected: &Value) {
    let user = site.client.user(login).await;
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&user[key], value, "{key} of {user}");
    }
}

async fn the_published_file_is_imported_and_read_back(site: Site) {
    let answer = post_csv(&site, FILE).await;
    assert_eq!(counts(&answer), [8, 0, 0, 0], "users who come blocked are only created");
    assert_eq!(answer.headers["content-type"], "application/json;charset=UTF-8");

    let dickens = json!({
        "uid": "demo1", "username": "utest2", "first_name": "Charles", "last_name": "Dickens", "patronymic": null,
        "email": "utest2@example.com", "birth_date": "1988-10-16", "gender": "0", "city": "Minsk",
        "department": "\"Minsky\" Department", "position": "Employee", "tags": ["newbie"], "phone": "123456",
        "blocked_reason": null, "date_of_employment": "2015-02-21",
        // The row lacks a cell, so that what follows stands one column too far to the left.
        "google_id": "Working phone number.:222, Email: a@example.com", "work_contact": "20.03.2016",
        "date_of_assignment_current_position": null, "structure_uid": null, "custom_info": null,
    });
    check(&site, "utest2", &dickens).await;
    check(&site, "utest4", &json!({"patronymic": "Ivanovich", "blocked_reason": "dismissed"})).await;
    check(&site, "utest5", &json!({"department": "\"Kievsky\" Department", "position": "Employee"})).await;
    check(&site, "utest6", &json!({"tags": ["staff pool"], "blocked_reason": "maternity_leave"})).await;

    assert_eq!(counts(&post_csv(&site, FILE).await), [0; 4], "the same file again");
}

async fn each_change_of_the_published_file_is_counted(site: Site) {
    post_csv(&site, FILE).await;
    let last = FILE.lines().last().unwrap();
    for (name, from, to, there, back) in [
        ("a new name", "Chekhov;Anton", "Chekhov;Antosha", [0, 1, 0, 0], [0, 1, 0, 0]),
        ("a name less", "Anton;Pavlovich", "Anton;", [0, 1, 0, 0], [0, 1, 0, 0]),
        ("a row less", last, "", [0; 4], [0; 4]),
        ("a dismissal", "543212;;", "543212;1;", [0, 0, 1, 0], [0, 0, 0, 1]),
        ("a leave that ends", "332233;2;", "332233;0;", [0, 0, 0, 1], [0, 0, 1, 0]),
        ("a status that is not said", "332233;2;", "332233;;", [0, 0, 0, 1], [0, 0, 1, 0]),
        ("another reason", "332233;2;", "332233;3;", [0, 1, 0, 0], [0, 1, 0, 0]),
        (
            "a new town and a dismissal",
            "Vinnytsia;\"Vinnytsky\" Department;Employee;newbie;543212;;",
            "Odesa;\"Vinnytsky\" Department;Employee;newbie;543212;1;",
            [0, 1, 1, 0],
            [0, 1, 0, 1],
        ),
        ("a new date of two users", ";21.02.2015;", ";22.02.2015;", [0, 2, 0, 0], [0, 2, 0, 0]),
    ] {
        assert_ne!(FILE, FILE.replace(from, to), "{name}");
        assert_eq!(counts(&post_csv(&site, FILE.replace(from, to)).await), there, "{name}");
        assert_eq!(counts(&post_csv(&site, FILE).await), back, "{name}, and back");
    }
    let more = format!("{FILE}demo9;Gorky;Maxim;;utest10;;111\n");
    assert_eq!(counts(&post_csv(&site, more).await), [1, 0, 0, 0]);
    check(&site, "utest10", &json!({"uid": "demo9", "email": null, "city": null})).await;
}

async fn the_older_file_in_windows_1251_is_imported_and_read_back(site: Site) {
    assert_eq!(counts(&post_csv(&site, OLDER).await), [5, 0, 0, 0]);
    check(&site, "diccens", &json!({"last_name": "Диккенс", "first_name": "Чарльз", "email": null})).await;
    check(&site, "mitchel", &json!({"tags": ["новичок", "драматург"], "gender": "1", "city": "Львов"})).await;
    check(&site, "chukovsky", &json!({"department": "Комитет сообщества писателей", "tags": null})).await;
    check(&site, "tolstoy", &json!({"first_name": "Лев", "birth_date": "1972-09-04", "phone": null})).await;
    assert_eq!(counts(&post_csv(&site, OLDER).await), [0; 4]);

    let tolstoy =
        "123457;Толстой;Лев;Николаевич;tolstoy;;112;04.09.1972;0;Одесса;Отдел классики;Писатель;кадровый резерв";
    assert_eq!(counts(&post_csv(&site, format!("ИД;Фамилия\n{tolstoy}")).await), [0; 4], "the same row in UTF-8");
}

async fn the_published_batch_is_imported_and_read_back(site: Site) {
    assert_eq!(counts(&post_json(&site, "batch", BATCH).await), [3, 0, 0, 0]);
    let emma = json!({
        "uid": "ad123473", "username": "williamsemma", "first_name": "Emma", "last_name": "Williams",
        "patronymic": null, "email": "williamsemma@example.com", "birth_date": "1988-10-16", "gender": "0",
        "city": "Chicago", "department": "Technical department", "position": "Specialist", "tags": ["newcomer"],
        "phone": null, "blocked_reason": null, "structure_uid": ["a2701216083", "a1206747582"],
        "custom_info": null, "language": null, "role_id": null, "manager_uid": ["ad123456"],
    });
    check(&site, "williamsemma", &emma).await;
    let managers = json!(["ad123456", "ad123457"]);
    check(&site, "millerbrandon", &json!({"structure_uid": ["a2701216083"], "manager_uid": managers})).await;
    assert_eq!(counts(&post_json(&site, "batch", BATCH).await), [0; 4], "the same batch again");
}

async fn each_change_of_the_published_batch_is_counted(site: Site) {
    post_json(&site, "batch", BATCH).await;
    for (name, key, value, there, back) in [
        ("a new town", "city", json!("Boston"), [0, 1, 0, 0], [0, 1, 0, 0]),
        ("another manager", "manager_uid", json!(["ad123456", "new"]), [0, 1, 0, 0], [0, 1, 0, 0]),
        ("a dismissal", "status", json!("1"), [0, 0, 1, 0], [0, 0, 0, 1]),
        ("an account that is switched off", "is_active", json!(0), [0, 0, 1, 0], [0, 0, 0, 1]),
        ("another password", "password", json!("112"), [0; 4], [0; 4]),
        ("an unknown key", "append_tags", json!("x"), [0; 4], [0; 4]),
    ] {
        let mut batch: Value = serde_json::from_str(BATCH).unwrap();
        batch[0][key] = value;
        assert_eq!(counts(&post_json(&site, "batch", batch.to_string()).await), there, "{name}");
        assert_eq!(counts(&post_json(&site, "batch", BATCH).await), back, "{name}, and back");
    }
    let mut batch: Value = serde_json::from_str(BATCH).unwrap();
    batch.as_array_mut().unwrap().reverse();
    assert_eq!(counts(&post_json(&site, "batch", batch.to_string()).await), [0; 4], "another order");
    batch.as_array_mut().unwrap().truncate(1);
    assert_eq!(counts(&post_json(&site, "batch", batch.to_string()).await), [0; 4], "two objects less");
    check(&site, "williamsemma", &json!({"city": "Chicago", "blocked_reason": null})).await;
}

async fn the_published_single_user_is_imported(site: Site) {
    let mut smith = json!({
        "uid": "cl123456", "secondname": "Smith", "firstname": "John", "login": "john.smith",
        "email": "john.smith@example.com", "password": "123456", "birth_date": "26.07.1988", "gender": 0,
        "is_active": 1, "city": "Kyiv", "department": "Main Office", "position": "CEO", "tags": "tag1,tag2",
        "phone": "+380971111111", "user_field1": "Cluster1", "user_field2": "Top Management",
        "user_field3": "Ukraine", "user_field4": null, "customInfo": null, "language": null, "role_id": null,
    });
    for (key, value, expected) in [
        ("city", json!("Kyiv"), [1, 0, 0, 0]),
        ("city", json!("Kyiv"), [0; 4]),
        ("city", json!("Lviv"), [0, 1, 0, 0]),
        ("is_active", json!(0), [0, 0, 1, 0]),
        ("is_active", json!(1), [0, 0, 0, 1]),
    ] {
        smith[key] = value;
        assert_eq!(counts(&post_json(&site, "single", smith.to_string()).await), expected, "{smith}");
    }
    let expected = json!({"tags": ["tag1", "tag2"], "phone": "+380971111111", "user_field2": "Top Management"});
    check(&site, "john.smith", &expected).await;
}
