//! Broken input: the response to it, and whether the good user beside it is imported.

use muster_testkit::{Response, Site};
use serde_json::{Value, json};

use super::{
    BOUNDARY, TITLES, file, multipart_with, object, post, post_csv, post_json, row, test_on_both_backends, users, with,
};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    broken_rows_fail_alone,
    broken_objects_fail_alone,
    broken_arrays_are_refused_as_a_whole,
    requests_without_a_good_row_are_refused_with_the_field_at_fault,
    invalid_files_are_refused,
    invalid_multipart_bodies_are_refused,
    only_the_first_hundred_errors_are_listed,
);

/// Checks the response to a request in which only the second row is bad.
fn assert_second_row_failed(name: &str, response: &Response, field: Option<&str>, code: &str) {
    let body = response.json();
    assert_eq!(response.status, 200, "{name}: {body}");
    assert_eq!((&body["created_count"], &body["failed_count"]), (&json!(1), &json!(1)), "{name}: {body}");
    let error = &body["errors"][0];
    assert_eq!((&error["row"], &error["code"]), (&json!(2), &json!(code)), "{name}: {body}");
    assert_eq!(error["field"], json!(field), "{name}: {body}");
    assert!(error["message"].is_string(), "{name}: {body}");
    assert_eq!(error.get("line").is_some(), name.starts_with("csv"), "{name}: {body}");
}

/// Checks that a request was refused with texts by key, `key` among them.
fn assert_refused(name: &str, response: &Response, key: &str) {
    let body = response.json();
    assert_eq!(response.status, 400, "{name}: {}", response.text);
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1), "{name}: {body}");
    let data = body["data"].as_object().unwrap_or_else(|| panic!("{name}: no data in {body}"));
    assert!(data.values().all(|message| message.as_str().is_some_and(|text| !text.is_empty())), "{name}: {body}");
    assert!(data.contains_key(key), "{name}: no {key} in {body}");
}

/// (name, column counted from 1, its key, value, code). In a value, `GOOD` stands for the login of the good row, and
/// `GoOd` for the same login in upper case.
type BrokenCell<'a> = (&'a str, usize, &'a str, &'a str, &'a str);

fn broken_cells(long: &str) -> Vec<BrokenCell<'_>> {
    vec![
        ("no uid", 1, "uid", "", "value_empty"),
        ("a blank uid", 1, "uid", " \t ", "value_empty"),
        ("a long uid", 1, "uid", long, "value_too_long"),
        ("no last name", 2, "secondname", "", "value_empty"),
        ("no first name", 3, "firstname", "", "value_empty"),
        ("a long first name", 3, "firstname", long, "value_too_long"),
        ("no login", 5, "login", "  ", "value_empty"),
        ("a long login", 5, "login", long, "value_too_long"),
        ("the login of the good row", 5, "login", "GOOD", "conflict_login"),
        ("the login of the good row in upper case", 5, "login", "GoOd", "conflict_login"),
        ("an e-mail without @", 6, "email", "bad.example", "email_invalid"),
        ("an e-mail with two @", 6, "email", "bad@x@y", "email_invalid"),
        ("an e-mail without a domain", 6, "email", "bad@", "email_invalid"),
        ("an e-mail with a blank", 6, "email", "b ad@x.example", "email_invalid"),
        ("the e-mail of the good row", 6, "email", "GOOD@x.example", "conflict_email"),
        ("February 31", 8, "birth_date", "31.02.2020", "date_invalid"),
        ("February 29 in a common year", 8, "birth_date", "2021-02-29", "date_invalid"),
        ("a date with the month first", 8, "birth_date", "12/31/2020", "date_invalid"),
        ("month 13", 8, "birth_date", "2020-13-01", "date_invalid"),
        ("a year of five digits", 8, "birth_date", "01.01.20200", "date_invalid"),
        ("day 0", 16, "date_of_employment", "00.01.2020", "date_invalid"),
        ("a date in words", 19, "date_of_assignment_current_position", "today", "date_invalid"),
        ("gender 5", 9, "gender", "5", "gender_invalid"),
        ("a gender in words", 9, "gender", "male", "gender_invalid"),
        ("a long city", 10, "city", long, "value_too_long"),
        ("status 9", 15, "status", "9", "status_invalid"),
        ("status x", 15, "status", "x", "status_invalid"),
        ("a negative status", 15, "status", "-1", "status_invalid"),
        ("a status with a fraction", 15, "status", "1.5", "status_invalid"),
        ("a department as status", 15, "status", "Sales", "status_invalid"),
        ("truncated JSON", 24, "customInfo", "{\"a\":", "json_invalid"),
        ("text that is not JSON", 24, "customInfo", "none at all", "json_invalid"),
    ]
}

async fn broken_rows_fail_alone(site: Site) {
    let long = "x".repeat(2_000);
    for (number, (what, column, key, value, code)) in broken_cells(&long).into_iter().enumerate() {
        let (name, good, bad) = (format!("csv, {what}"), format!("good{number}"), format!("bad{number}"));
        let value = match value {
            "GoOd" => good.to_uppercase(),
            value => value.replace("GOOD", &good),
        };
        let mut cells: Vec<String> = row(&bad).split(';').map(str::to_owned).collect();
        cells.resize(29, String::new());
        cells[column - 1] = value;
        let response = post_csv(&site, file([row(&good), cells.join(";")])).await;
        assert_second_row_failed(&name, &response, Some(key), code);
        assert_eq!(site.client.user(&good).await["uid"], good, "{name}");
        assert_eq!(site.client.user(&bad).await, Value::Null, "{name}");
    }
    for (number, (name, cells, field, code)) in [
        ("csv, too many cells", format!("{}{}x", row("many"), ";".repeat(24)), None, "column_count"),
        ("csv, a row that ends before the login", "short;Last;First".to_owned(), Some("login"), "value_empty"),
    ]
    .into_iter()
    .enumerate()
    {
        let good = format!("fine{number}");
        let response = post_csv(&site, file([row(&good), cells])).await;
        assert_second_row_failed(name, &response, field, code);
        assert_eq!(site.client.user(&good).await["uid"], good, "{name}");
    }
}

/// (name, JSON text of the array element, key at fault, code)
fn broken_elements() -> Vec<(&'static str, String, Option<&'static str>, &'static str)> {
    let bad = |more: Value| with(object("BAD"), &more).to_string();
    let deep = format!(r#"{{"uid":"BAD","customInfo":{}{}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    vec![
        ("a number", "5".to_owned(), None, "type_invalid"),
        ("a text", "\"BAD\"".to_owned(), None, "type_invalid"),
        ("null", "null".to_owned(), None, "type_invalid"),
        ("an array", "[\"BAD\"]".to_owned(), None, "type_invalid"),
        ("an array of objects", format!("[{}]", object("BAD")), None, "type_invalid"),
        ("an empty object", "{}".to_owned(), Some("uid"), "value_empty"),
        ("a truncated literal", r#"{"uid":"BAD","gender":tru}"#.to_owned(), None, "json_invalid"),
        ("a missing comma", r#"{"uid":"BAD","user_field3":"x" "user_field4":null}"#.to_owned(), None, "json_invalid"),
        ("a trailing comma", r#"{"uid":"BAD",}"#.to_owned(), None, "json_invalid"),
        ("a key without a value", r#"{"uid"}"#.to_owned(), None, "json_invalid"),
        ("an unknown escape", r#"{"uid":"BAD\x"}"#.to_owned(), None, "json_invalid"),
        ("deep nesting", deep, None, "json_invalid"),
        ("a truth value as uid", bad(json!({"uid": true})), Some("uid"), "type_invalid"),
        ("null as uid", bad(json!({"uid": null})), Some("uid"), "value_empty"),
        ("an empty uid", bad(json!({"uid": ""})), Some("uid"), "value_empty"),
        ("an object as last name", bad(json!({"secondname": {}})), Some("secondname"), "type_invalid"),
        ("an array as city", bad(json!({"city": ["Rome"]})), Some("city"), "type_invalid"),
        ("a number as date", bad(json!({"birth_date": 19_880_726})), Some("birth_date"), "type_invalid"),
        ("February 31", bad(json!({"birth_date": "31.02.2020"})), Some("birth_date"), "date_invalid"),
        ("an object as gender", bad(json!({"gender": {"is": 1}})), Some("gender"), "type_invalid"),
        ("gender 5", bad(json!({"gender": 5})), Some("gender"), "gender_invalid"),
        ("status 4", bad(json!({"status": 4})), Some("status"), "status_invalid"),
        ("a status with a fraction", bad(json!({"status": 1.5})), Some("status"), "status_invalid"),
        ("an array as status", bad(json!({"status": [1]})), Some("status"), "type_invalid"),
        ("an object as tags", bad(json!({"tags": {"a": 1}})), Some("tags"), "type_invalid"),
        ("numbers as managers", bad(json!({"manager_uid": [1, 2]})), Some("manager_uid"), "type_invalid"),
        ("null among departments", bad(json!({"structure_uid": ["a", null]})), Some("structure_uid"), "type_invalid"),
        ("text that is not JSON", bad(json!({"customInfo": "{"})), Some("customInfo"), "json_invalid"),
        ("an array as password", bad(json!({"password": ["x"]})), Some("password"), "type_invalid"),
        ("an e-mail without @", bad(json!({"email": "bad"})), Some("email"), "email_invalid"),
        ("a long login", bad(json!({"login": "x".repeat(2_000)})), Some("login"), "value_too_long"),
    ]
}

async fn broken_objects_fail_alone(site: Site) {
    for (number, (name, element, field, code)) in broken_elements().into_iter().enumerate() {
        let (good, bad) = (format!("good{number}"), format!("bad{number}"));
        let body = format!("[{}, {}]", object(&good), element.replace("BAD", &bad));
        let response = post_json(&site, "batch", body).await;
        assert_second_row_failed(name, &response, field, code);
        assert_eq!(site.client.user(&good).await["uid"], good, "{name}");
        assert_eq!(site.client.user(&bad).await, Value::Null, "{name}");
    }
}

async fn broken_arrays_are_refused_as_a_whole(site: Site) {
    for (name, body) in [
        ("no bytes", ""),
        ("white space", " \r\n "),
        ("an empty array", "[]"),
        ("an opening bracket", "["),
        ("a closing bracket", "]"),
        ("null", "null"),
        ("a string", "\"good\""),
        ("a number", "5"),
        ("a CSV file", "ID;Last name\ngood;Last\n"),
        ("truncated after an object", "[GOOD"),
        ("truncated after a comma", "[GOOD,"),
        ("truncated within an object", "[GOOD, {\"uid\": \"bad\""),
        ("truncated within a string", "[GOOD, {\"uid\": \"ba"),
        ("truncated after a backslash", "[GOOD, {\"uid\": \"ba\\"),
        ("an unterminated string", "[GOOD, {\"uid\": \"bad}]"),
        ("a trailing comma", "[GOOD,]"),
        ("a leading comma", "[,GOOD]"),
        ("two commas", "[GOOD,,GOOD]"),
        ("no comma", "[GOOD GOOD]"),
        ("two arrays", "[GOOD][GOOD]"),
        ("trailing text", "[GOOD] and more"),
        ("an extra closing bracket", "[GOOD]]"),
        ("a wrong closing bracket", "[GOOD}"),
        ("two objects without an array", "GOOD, GOOD"),
        ("an object per line", "GOOD\nGOOD\n"),
        ("a truncated object", "{\"uid\": \"good\", \"login\": \"good\""),
    ] {
        let body = body.replace("GOOD", &object("good").to_string());
        assert_refused(name, &post_json(&site, "batch", body).await, "body");
        assert_eq!(site.client.user("good").await, Value::Null, "{name}");
    }
}

async fn requests_without_a_good_row_are_refused_with_the_field_at_fault(site: Site) {
    let cells = |more: &str| file([format!("{}{more}", row("a"))]);
    for (name, file, key) in [
        ("a date", cells(";;31.02.2020"), "1.birth_date"),
        ("a status", cells(&format!("{}9", ";".repeat(9))), "1.status"),
        ("too many cells", cells(&format!("{}x", ";".repeat(24))), "1.row"),
        ("no uid", file([";Last;First;;a"]), "1.uid"),
        ("two bad rows", file([";Last;First;;a", "b;Last;First;;b;b"]), "2.email"),
    ] {
        assert_refused(name, &post_csv(&site, file).await, key);
    }
    for (name, endpoint, body, key) in [
        ("a string as object", "batch", json!(["a"]), "1.row"),
        ("an empty object", "batch", json!({}), "1.uid"),
        ("no login", "batch", json!([{"uid": "a", "secondname": "L", "firstname": "F"}]), "1.login"),
        ("two bad objects", "batch", json!([{"uid": ""}, {"uid": "a", "status": 9}]), "2.status"),
        ("no e-mail", "single", with(object("a"), &json!({"email": ""})), "email"),
        ("a date", "single", with(object("a"), &json!({"birth_date": "1.13.2020"})), "birth_date"),
        ("a gender", "single", with(object("a"), &json!({"gender": "5"})), "gender"),
        ("an empty object", "single", json!({}), "uid"),
    ] {
        assert_refused(name, &post_json(&site, endpoint, body.to_string()).await, key);
    }
    assert_eq!(site.client.user("a").await, Value::Null);
}

async fn invalid_files_are_refused(site: Site) {
    let utf16: Vec<u8> = file([row("a")]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, file) in [
        ("no bytes", Vec::new()),
        ("blank lines", b"\r\n\r\n  \r\n".to_vec()),
        ("only a byte order mark", b"\xef\xbb\xbf".to_vec()),
        ("only titles", TITLES.as_bytes().to_vec()),
        ("titles and blank lines", format!("{TITLES}\n\n \n").into_bytes()),
        ("comma-separated values", users(["a", "b"]).into_bytes()),
        ("one column", b"ID\na\nb\n".to_vec()),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR;;;\n;;;\n".to_vec()),
        ("a workbook", b"PK\x03\x04;;;\n;;;\n".to_vec()),
        ("an older workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1;;;\n;;;\n".to_vec()),
        ("a document", b"%PDF-1.7;;;\n;;;\n".to_vec()),
        ("UTF-16 without a byte order mark", utf16),
    ] {
        assert_refused(name, &post_csv(&site, file).await, "file");
    }
    assert_eq!(site.client.user("a").await, Value::Null);
}

async fn invalid_multipart_bodies_are_refused(site: Site) {
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let text = file([row("a")]);
    let part =
        |name: &str| multipart_with(&format!("Content-Disposition: form-data; name=\"{name}\""), text.as_bytes());
    let whole = part("file");
    for (name, content_type, body) in [
        ("no part", &*form, format!("--{BOUNDARY}--\r\n").into_bytes()),
        ("no bytes", &form, Vec::new()),
        ("a part with another name", &form, part("data")),
        ("no closing boundary", &form, whole[..whole.len() - 10].to_vec()),
        ("truncated within the file", &form, whole[..whole.len() / 2].to_vec()),
        ("a file without multipart", &form, text.clone().into_bytes()),
        ("another boundary", "multipart/form-data; boundary=other", whole.clone()),
        ("no boundary", "multipart/form-data", whole.clone()),
    ] {
        for endpoint in ["csv", "batch"] {
            assert_refused(
                name,
                &post(&site.client, endpoint, &[("content-type", content_type)], body.clone()).await,
                "file",
            );
        }
    }
    assert_eq!(site.client.user("a").await, Value::Null);
    assert_eq!(post(&site.client, "csv", &[("content-type", &*form)], whole).await.counts(), reply().created(1));
}

async fn only_the_first_hundred_errors_are_listed(site: Site) {
    let bad = (0..150).map(|n| format!("{};;31.02.2020", row(&format!("bad{n}"))));
    let response = post_csv(&site, file([row("a")].into_iter().chain(bad))).await;
    let body = response.json();
    assert_eq!((response.status, &body["created_count"], &body["failed_count"]), (200, &json!(1), &json!(150)));
    let rows: Vec<u64> =
        body["errors"].as_array().unwrap().iter().map(|error| error["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, (2..102).collect::<Vec<u64>>());
    assert_eq!(body["errors"][99]["line"], 102);
}
