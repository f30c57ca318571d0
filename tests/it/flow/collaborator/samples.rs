//! The vendor's published sample files: imported, read back, and imported again with changes.

use muster_testkit::Site;
use serde_json::{Value, json};

use super::{post_csv, post_json, test_on_both_backends};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    the_published_file_is_imported_and_read_back,
    each_change_of_the_published_file_is_counted,
    the_older_published_file_in_windows_1251_is_imported_and_read_back,
    the_published_batch_is_imported_and_read_back,
    each_change_of_the_published_batch_is_counted,
    the_published_single_user_is_imported,
);

const FILE: &str = include_str!("../../../fixtures/collaborator-24.csv");
const OLDER_FILE: &[u8] = include_bytes!("../../../fixtures/collaborator-13-cp1251.csv");
const BATCH: &str = include_str!("../../../fixtures/collaborator-batch.json");

/// Checks these keys of a user.
async fn assert_user(site: &Site, login: &str, expected: &Value) {
    let user = site.client.user(login).await;
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&user[key], value, "{key} of {user}");
    }
}

async fn the_published_file_is_imported_and_read_back(site: Site) {
    let response = post_csv(&site, FILE).await;
    assert_eq!(response.counts(), reply().created(8), "users who are new and blocked count as created only");
    assert_eq!(response.headers["content-type"], "application/json;charset=UTF-8");

    let dickens = json!({
        "uid": "demo1", "username": "utest2", "first_name": "Charles", "last_name": "Dickens", "patronymic": null,
        "email": "utest2@example.com", "birth_date": "1988-10-16", "gender": "0", "city": "Minsk",
        "department": "\"Minsky\" Department", "position": "Employee", "tags": ["newbie"], "phone": "123456",
        "blocked_reason": null, "date_of_employment": "2015-02-21",
        // The published row lacks a cell: from here on each value is one column too far left.
        "google_id": "Working phone number.:222, Email: a@example.com", "work_contact": "20.03.2016",
        "date_of_assignment_current_position": null, "structure_uid": null, "custom_info": null,
    });
    assert_user(&site, "utest2", &dickens).await;
    assert_user(&site, "utest4", &json!({"patronymic": "Ivanovich", "blocked_reason": "dismissed"})).await;
    assert_user(&site, "utest5", &json!({"department": "\"Kievsky\" Department", "position": "Employee"})).await;
    assert_user(&site, "utest6", &json!({"tags": ["staff pool"], "blocked_reason": "maternity_leave"})).await;

    assert_eq!(post_csv(&site, FILE).await.counts(), reply(), "the same file");
}

async fn each_change_of_the_published_file_is_counted(site: Site) {
    post_csv(&site, FILE).await;
    let last = FILE.lines().last().unwrap();
    for (name, from, to, changed, restored) in [
        ("another first name", "Chekhov;Anton", "Chekhov;Antosha", reply().updated(1), reply().updated(1)),
        ("a removed middle name", "Anton;Pavlovich", "Anton;", reply().updated(1), reply().updated(1)),
        ("a removed row", last, "", reply(), reply()),
        ("a dismissal", "543212;;", "543212;1;", reply().blocked(1), reply().unblocked(1)),
        ("the end of a leave", "332233;2;", "332233;0;", reply().unblocked(1), reply().blocked(1)),
        ("an empty status", "332233;2;", "332233;;", reply().unblocked(1), reply().blocked(1)),
        ("another reason for the block", "332233;2;", "332233;3;", reply().updated(1), reply().updated(1)),
        (
            "another city and a dismissal",
            "Vinnytsia;\"Vinnytsky\" Department;Employee;newbie;543212;;",
            "Odesa;\"Vinnytsky\" Department;Employee;newbie;543212;1;",
            reply().updated(1).blocked(1),
            reply().updated(1).unblocked(1),
        ),
        ("another date of two users", ";21.02.2015;", ";22.02.2015;", reply().updated(2), reply().updated(2)),
    ] {
        assert_ne!(FILE, FILE.replace(from, to), "{name}");
        assert_eq!(post_csv(&site, FILE.replace(from, to)).await.counts(), changed, "{name}");
        assert_eq!(post_csv(&site, FILE).await.counts(), restored, "{name}, restored");
    }
    let with_new_row = format!("{FILE}demo9;Gorky;Maxim;;utest10;;111\n");
    assert_eq!(post_csv(&site, with_new_row).await.counts(), reply().created(1));
    assert_user(&site, "utest10", &json!({"uid": "demo9", "email": null, "city": null})).await;
}

async fn the_older_published_file_in_windows_1251_is_imported_and_read_back(site: Site) {
    assert_eq!(post_csv(&site, OLDER_FILE).await.counts(), reply().created(5));
    assert_user(&site, "diccens", &json!({"last_name": "Диккенс", "first_name": "Чарльз", "email": null})).await;
    assert_user(&site, "mitchel", &json!({"tags": ["новичок", "драматург"], "gender": "1", "city": "Львов"})).await;
    assert_user(&site, "chukovsky", &json!({"department": "Комитет сообщества писателей", "tags": null})).await;
    assert_user(&site, "tolstoy", &json!({"first_name": "Лев", "birth_date": "1972-09-04", "phone": null})).await;
    assert_eq!(post_csv(&site, OLDER_FILE).await.counts(), reply());

    let tolstoy =
        "123457;Толстой;Лев;Николаевич;tolstoy;;112;04.09.1972;0;Одесса;Отдел классики;Писатель;кадровый резерв";
    assert_eq!(post_csv(&site, format!("ИД;Фамилия\n{tolstoy}")).await.counts(), reply(), "the same row in UTF-8");
}

async fn the_published_batch_is_imported_and_read_back(site: Site) {
    assert_eq!(post_json(&site, "batch", BATCH).await.counts(), reply().created(3));
    let emma = json!({
        "uid": "ad123473", "username": "williamsemma", "first_name": "Emma", "last_name": "Williams",
        "patronymic": null, "email": "williamsemma@example.com", "birth_date": "1988-10-16", "gender": "0",
        "city": "Chicago", "department": "Technical department", "position": "Specialist", "tags": ["newcomer"],
        "phone": null, "blocked_reason": null, "structure_uid": ["a2701216083", "a1206747582"],
        "custom_info": null, "language": null, "role_id": null, "manager_uid": ["ad123456"],
    });
    assert_user(&site, "williamsemma", &emma).await;
    let managers = json!(["ad123456", "ad123457"]);
    assert_user(&site, "millerbrandon", &json!({"structure_uid": ["a2701216083"], "manager_uid": managers})).await;
    assert_eq!(post_json(&site, "batch", BATCH).await.counts(), reply(), "the same batch");
}

async fn each_change_of_the_published_batch_is_counted(site: Site) {
    post_json(&site, "batch", BATCH).await;
    for (name, key, value, changed, restored) in [
        ("another city", "city", json!("Boston"), reply().updated(1), reply().updated(1)),
        ("another manager", "manager_uid", json!(["ad123456", "new"]), reply().updated(1), reply().updated(1)),
        ("a dismissal", "status", json!("1"), reply().blocked(1), reply().unblocked(1)),
        ("a deactivated account", "is_active", json!(0), reply().blocked(1), reply().unblocked(1)),
        ("another password", "password", json!("112"), reply(), reply()),
        ("an unknown key", "append_tags", json!("x"), reply(), reply()),
    ] {
        let mut batch: Value = serde_json::from_str(BATCH).unwrap();
        batch[0][key] = value;
        assert_eq!(post_json(&site, "batch", batch.to_string()).await.counts(), changed, "{name}");
        assert_eq!(post_json(&site, "batch", BATCH).await.counts(), restored, "{name}, restored");
    }
    let mut batch: Value = serde_json::from_str(BATCH).unwrap();
    batch.as_array_mut().unwrap().reverse();
    assert_eq!(post_json(&site, "batch", batch.to_string()).await.counts(), reply(), "another order");
    batch.as_array_mut().unwrap().truncate(1);
    assert_eq!(post_json(&site, "batch", batch.to_string()).await.counts(), reply(), "only one of the three objects");
    assert_user(&site, "williamsemma", &json!({"city": "Chicago", "blocked_reason": null})).await;
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
        ("city", json!("Kyiv"), reply().created(1)),
        ("city", json!("Kyiv"), reply()),
        ("city", json!("Lviv"), reply().updated(1)),
        ("is_active", json!(0), reply().blocked(1)),
        ("is_active", json!(1), reply().unblocked(1)),
    ] {
        smith[key] = value;
        assert_eq!(post_json(&site, "single", smith.to_string()).await.counts(), expected, "{smith}");
    }
    let expected = json!({"tags": ["tag1", "tag2"], "phone": "+380971111111", "user_field2": "Top Management"});
    assert_user(&site, "john.smith", &expected).await;
}
