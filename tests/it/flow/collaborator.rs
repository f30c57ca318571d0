//! The users-import calls of the Collaborator LMS: the counts are in the reply itself.

mod accounts;
mod amounts;
mod big;
mod broken;
mod clients;
mod missing;
mod respond_async;
mod samples;
mod semantics;
mod texts;

use muster_testkit::{Answer, Client, Site};
use reqwest::Method;
use serde_json::{Value, json};

use super::{csv, on_both, users};

/// The 29 columns. Only their positions count.
const TITLES: &str = "ID;Last name;First name;Middle name;Login;Email;Password;Birthdate;Gender (F-1, M-0);City;\
    Department;Position;Tags;Phone;Status;Employment date;Google Id;Work contacts;Date of current position assignment;\
    department code;Field 1;Field 2;Field 3;JSON;Interface language;Field 4;Field 5;Role;Manager";

/// As .NET makes them.
const BOUNDARY: &str = "----------0123456789abcdef0123456789abcdef";

/// A file with the titles and these rows.
fn file<R: AsRef<str>>(rows: impl IntoIterator<Item = R>) -> String {
    csv(TITLES, rows)
}

/// The first six cells of a user: uid and login are the name.
fn row(name: &str) -> String {
    format!("{name};Last;First;;{name};{name}@x.example")
}

/// The same user as an object.
fn object(name: &str) -> Value {
    json!({"uid": name, "secondname": "Last", "firstname": "First", "login": name, "email": format!("{name}@x.example")})
}

/// An object with further keys, or other values of its keys.
fn with(mut object: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// A multipart body with one part of these headers.
fn envelope(part: &str, file: &[u8]) -> Vec<u8> {
    let (head, tail) = (format!("--{BOUNDARY}\r\n{part}\r\n\r\n"), format!("\r\n--{BOUNDARY}--\r\n"));
    [head.as_bytes(), file, tail.as_bytes()].concat()
}

/// A multipart body as the vendor's programs send it.
fn multipart(file: &[u8]) -> Vec<u8> {
    envelope("Content-Disposition: form-data; name=\"file\"; filename=\"file.csv\"\r\nContent-Type: text/csv", file)
}

/// Sends a body to one of the three calls.
async fn post(client: &Client, call: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    client.send(Method::POST, &format!("/api/v2/users-import/{call}"), headers, body).await
}

async fn post_csv(site: &Site, file: impl AsRef<[u8]>) -> Answer {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    post(&site.client, "csv", &[("content-type", &*kind)], multipart(file.as_ref())).await
}

async fn post_json(site: &Site, call: &str, body: impl Into<Vec<u8>>) -> Answer {
    post(&site.client, call, &[("content-type", "application/json")], body.into()).await
}

/// Sends one object in an array.
async fn post_one(site: &Site, object: &Value) -> Answer {
    post_json(site, "batch", json!([object]).to_string()).await
}

/// `[created, updated, blocked, unblocked]` of a reply that says nothing else.
fn counts(answer: &Answer) -> [u64; 4] {
    let counts = four(answer);
    assert_eq!(answer.json().as_object().unwrap().len(), 4, "{}", answer.text);
    counts
}

/// The same of a reply in which rows failed, and `(row, field, code)` of each.
fn counts_and_errors(answer: &Answer) -> ([u64; 4], Vec<(u64, String, String)>) {
    let counts = four(answer);
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors in {body}"));
    assert_eq!(body["failed_count"], errors.len(), "{body}");
    assert!(errors.iter().all(|error| error["message"].is_string()), "{body}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        counts,
        errors
            .iter()
            .map(|error| (error["row"].as_u64().unwrap(), text(&error["field"]), text(&error["code"])))
            .collect(),
    )
}

fn four(answer: &Answer) -> [u64; 4] {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    ["created_count", "updated_count", "blocked_count", "unblocked_count"]
        .map(|key| body[key].as_u64().unwrap_or_else(|| panic!("no {key} in {body}")))
}

/// Checks that an answer has one key, which holds a text.
fn says_only(text: &str, key: &str) {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    assert!(body.as_object().is_some_and(|body| body.len() == 1), "{text}");
    assert!(body[key].is_string(), "{text}");
}
