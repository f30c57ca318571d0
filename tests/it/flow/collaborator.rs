//! The users-import endpoints of the Collaborator LMS, whose replies contain the counts of the import.

mod accounts;
mod broken_input;
mod clients;
mod csv_formats;
mod file_sizes;
mod large_requests;
mod missing_users;
mod passwords;
mod respond_async;
mod samples;
mod values;

use muster_testkit::{Client, Response, Site};
use reqwest::Method;
use serde_json::{Value, json};

use super::expected::{Reply, ReplyCounts};
use super::{csv, test_on_both_backends, users};

/// The 29 columns. The service ignores the titles: a column is known by its position.
const TITLES: &str = "ID;Last name;First name;Middle name;Login;Email;Password;Birthdate;Gender (F-1, M-0);City;\
    Department;Position;Tags;Phone;Status;Employment date;Google Id;Work contacts;Date of current position assignment;\
    department code;Field 1;Field 2;Field 3;JSON;Interface language;Field 4;Field 5;Role;Manager";

/// A boundary as .NET generates it.
const BOUNDARY: &str = "----------0123456789abcdef0123456789abcdef";

/// A file with all titles and these rows.
fn file<R: AsRef<str>>(rows: impl IntoIterator<Item = R>) -> String {
    csv(TITLES, rows)
}

/// The first six cells of a user whose uid and login are `name`.
fn row(name: &str) -> String {
    format!("{name};Last;First;;{name};{name}@x.example")
}

/// The user of [`row`] as a JSON object.
fn object(name: &str) -> Value {
    json!({"uid": name, "secondname": "Last", "firstname": "First", "login": name, "email": format!("{name}@x.example")})
}

/// The object with these keys added or replaced.
fn with(mut object: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// A multipart body with one part that has these headers.
fn multipart_with(part_headers: &str, file: &[u8]) -> Vec<u8> {
    let (head, tail) = (format!("--{BOUNDARY}\r\n{part_headers}\r\n\r\n"), format!("\r\n--{BOUNDARY}--\r\n"));
    [head.as_bytes(), file, tail.as_bytes()].concat()
}

/// A multipart body as the vendor's programs send it.
fn multipart(file: &[u8]) -> Vec<u8> {
    multipart_with(
        "Content-Disposition: form-data; name=\"file\"; filename=\"file.csv\"\r\nContent-Type: text/csv",
        file,
    )
}

/// Sends a body to one of the three endpoints: `csv`, `batch` or `single`.
async fn post(client: &Client, endpoint: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
    client.send(Method::POST, &format!("/api/v2/users-import/{endpoint}"), headers, body).await
}

async fn post_csv(site: &Site, file: impl AsRef<[u8]>) -> Response {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    post(&site.client, "csv", &[("content-type", &*content_type)], multipart(file.as_ref())).await
}

async fn post_json(site: &Site, endpoint: &str, body: impl Into<Vec<u8>>) -> Response {
    post(&site.client, endpoint, &[("content-type", "application/json")], body.into()).await
}

/// Sends one object in an array.
async fn post_one(site: &Site, object: &Value) -> Response {
    post_json(site, "batch", json!([object]).to_string()).await
}

/// The counts of a reply that reports failed rows, and `(row, field, code)` of each such row.
fn counts_and_errors(response: &Response) -> (ReplyCounts, Vec<(u64, String, String)>) {
    let counts = response.counts_with_details();
    let body = response.json();
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

/// Checks that a request succeeded and that none of its rows failed.
fn assert_no_failures(response: &Response) {
    response.counts();
}

/// Checks that a body is an object with this key only, whose value is a text.
fn assert_single_text(text: &str, key: &str) {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    assert!(body.as_object().is_some_and(|body| body.len() == 1), "{text}");
    assert!(body[key].is_string(), "{text}");
}
