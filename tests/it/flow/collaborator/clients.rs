//! Requests exactly as the vendor's programs and documentation send them.

use muster_testkit::{RawConnection, RawResponse, Site};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    BOUNDARY, assert_single_text, file, multipart, multipart_with, object, post, post_csv, row, test_on_both_backends,
};
use crate::flow::expected::{Reply, reply};

test_on_both_backends!(
    the_sync_program_imports_a_file,
    parts_of_a_file_can_be_sent_on_one_connection,
    a_stray_semicolon_after_the_file_name_is_accepted,
    new_passwords_in_each_nightly_file_change_nothing,
    the_file_name_and_type_of_a_part_do_not_matter,
    a_batch_is_a_file_an_array_or_one_object,
    both_authorization_headers_are_accepted,
    the_body_of_an_unauthorized_request_is_read_to_its_end,
    refusals_have_one_key,
    a_read_only_token_is_forbidden,
);

const PART_HEADERS: &str =
    "Content-Disposition: form-data; name=\"file\"; filename=\"file.csv\"\r\nContent-Type: text/csv";

/// The head that the sync program sends. Its URL has a double slash if the configured server ends with a slash.
fn head(authorization: &str, more_headers: &str, length: usize) -> String {
    format!(
        "POST //api/v2/users-import/csv?prefix=abc HTTP/1.1\r\nUser-Agent: cbr-csv-sync-tool\r\n\
         Cache-Control: no-cache\r\nPragma: no-cache\r\n{authorization}\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nHost: x.example\r\nContent-Length: {length}\r\n\
         {more_headers}\r\n"
    )
}

fn token_header(site: &Site) -> String {
    format!("X-Cbr-Authorization: Bearer {}\r\n", site.client.token.as_deref().unwrap())
}

/// Sends a request in one piece.
async fn send(connection: &mut RawConnection, authorization: &str, body: &[u8]) -> RawResponse {
    let head = head(authorization, "", body.len());
    connection.send([head.as_bytes(), body].concat()).await;
    connection.next_response().await
}

fn status_and_created(response: &RawResponse) -> (u16, Value) {
    (response.status, response.json()["created_count"].clone())
}

async fn the_sync_program_imports_a_file(site: Site) {
    let body = multipart(file([row("a"), row("b")]).as_bytes());
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let more_headers = "Expect: 100-continue\r\nConnection: Keep-Alive\r\n";
    connection.send(head(&token_header(&site), more_headers, body.len())).await;
    assert_eq!(connection.next_response().await.status, 100, "before the body");
    connection.send(body).await;
    let response = connection.next_response().await;
    assert_eq!(response.status, 200, "{response:?}");
    let expected = json!({"created_count": 2, "updated_count": 0, "blocked_count": 0, "unblocked_count": 0});
    assert_eq!(response.json(), expected);
    assert_eq!((response.header("location"), response.header("transfer-encoding")), (None, None));
    assert_eq!(site.client.user("b").await["uid"], "b");
}

/// The sync program continues with the next part after a part was refused.
async fn parts_of_a_file_can_be_sent_on_one_connection(site: Site) {
    let mut connection = RawConnection::open(&site.client.ingest).await;
    for (number, rows, expected) in [
        (1, "a;Last;First;;a\r\nb;Last;First;;b", (200, json!(2))),
        (2, "c;Last;First;;c\r\nd;Last;First;;d", (200, json!(2))),
        (3, ";Last;First;;e\r\n", (400, Value::Null)),
        (4, "a;Last;First;;a\r\nf;Last;First;;f", (200, json!(1))),
    ] {
        let part_headers = PART_HEADERS.replace("file.csv", &format!("file{number}.csv"));
        let body =
            multipart_with(&part_headers, format!("ID;Last name;First name;Middle name;Login\r\n{rows}").as_bytes());
        assert_eq!(
            status_and_created(&send(&mut connection, &token_header(&site), &body).await),
            expected,
            "part {number}"
        );
    }
    for login in ["a", "b", "c", "d", "f"] {
        assert_eq!(
            site.client.user(login).await["blocked_reason"],
            Value::Null,
            "{login} is missing from the other parts"
        );
        assert_eq!(site.client.user(login).await["uid"], login);
    }
}

async fn a_stray_semicolon_after_the_file_name_is_accepted(site: Site) {
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let body = multipart_with(&PART_HEADERS.replace("file.csv\"", "file.csv\";"), file([row("a")]).as_bytes());
    let authorization = format!("Authorization: Bearer {}\r\n", site.client.token.as_deref().unwrap());
    assert_eq!(status_and_created(&send(&mut connection, &authorization, &body).await), (200, json!(1)));
}

/// The file of the directory program: 27 columns, never quoted, lower-case GUIDs as uids, new passwords each night.
async fn new_passwords_in_each_nightly_file_change_nothing(site: Site) {
    let night = |password: &str| {
        let rows = (0..3).map(|n| {
            format!(
                "3f2504e0-4f89-41d3-9a0c-0305e82c330{n};O'Neil;Ann;;ann{n};ann{n}@x.example;{password}-{n};;;Kyiv;\
                 R&D, lab;Chemist;a,b;;0;;;;;;;;;;;;"
            )
        });
        file(rows)
    };
    for (password, expected) in [("0b7e", reply().created(3)), ("97c1", reply())] {
        assert_eq!(post_csv(&site, night(password)).await.counts(), expected);
    }
    let user = site.client.user("ann2").await;
    assert_eq!((&user["tags"], &user["department"]), (&json!(["a", "b"]), &json!("R&D, lab")));
}

async fn the_file_name_and_type_of_a_part_do_not_matter(site: Site) {
    for (name, part_headers) in [
        (
            "curl",
            "Content-Disposition: form-data; name=\"file\"; filename=\"people 2026.csv\"\r\n\
                  Content-Type: application/octet-stream",
        ),
        (
            "excel",
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
                   Content-Type: application/vnd.ms-excel",
        ),
        ("bare", "Content-Disposition: form-data; name=file"),
        ("lower", "content-disposition: form-data; name=\"file\"; filename=\"\"\r\ncontent-type: text/plain"),
    ] {
        let content_type = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
        let body = multipart_with(part_headers, file([row(name)]).as_bytes());
        assert_eq!(
            post(&site.client, "csv", &[("content-type", &*content_type)], body).await.counts(),
            reply().created(1),
            "{name}"
        );
    }
}

async fn a_batch_is_a_file_an_array_or_one_object(site: Site) {
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let array = json!([object("b"), object("c")]).to_string().into_bytes();
    let one = object("d").to_string().into_bytes();
    for (content_type, body, expected) in [
        (&*form, multipart(file([row("a")]).as_bytes()), 1),
        ("application/json", array, 2),
        ("application/json;charset=UTF-8", one, 1),
        ("application/json; charset=utf-8", format!("\r\n [{}] \r\n", object("e")).into_bytes(), 1),
    ] {
        let response = post(&site.client, "batch", &[("content-type", content_type)], body).await;
        assert_eq!(response.counts(), reply().created(expected), "{content_type}");
    }
    for login in ["a", "b", "c", "d", "e"] {
        assert_eq!(site.client.user(login).await["uid"], login);
    }
}

async fn both_authorization_headers_are_accepted(site: Site) {
    let good = site.client.token.clone().unwrap();
    let mut connection = RawConnection::open(&site.client.ingest).await;
    for (headers, status) in [
        (format!("X-Cbr-Authorization: Bearer {good}\r\n"), 200),
        (format!("x-cbr-authorization: Bearer {good}\r\n"), 200),
        (format!("Authorization: Bearer {good}\r\n"), 200),
        (format!("Authorization: Bearer wrong\r\nX-Cbr-Authorization: Bearer {good}\r\n"), 200),
        (format!("X-Cbr-Authorization: Bearer {good}\r\nAuthorization: Basic dXNlcjpwdw==\r\n"), 200),
        (format!("X-Cbr-Authorization: Bearer wrong\r\nAuthorization: Bearer {good}\r\n"), 401),
        (format!("X-Cbr-Authorization: {good}\r\n"), 401),
        ("X-Cbr-Authorization: Bearer $2a$10$./KN8pb6Yp8w9ijv\r\n".to_owned(), 401),
        ("X-Cbr-Authorization: Bearer \r\n".to_owned(), 401),
        (String::new(), 401),
    ] {
        let response = send(&mut connection, &headers, &multipart(file([row("a")]).as_bytes())).await;
        assert_eq!(response.status, status, "{headers}: {response:?}");
        if status == 401 {
            assert_single_text(&response.text, "unauthorized");
        }
    }
    assert!(!site.output().contains("KN8pb6Yp8w9ijv"), "a token is in the log");
}

/// The sync program waits at a prompt if the connection is closed while it sends the body.
async fn the_body_of_an_unauthorized_request_is_read_to_its_end(site: Site) {
    let rows: Vec<String> = (0..10_000).map(|n| row(&format!("user{n}"))).collect();
    let body = multipart(file(rows).as_bytes());
    assert!(body.len() > 300_000);
    let mut connection = RawConnection::open(&site.client.ingest).await;
    for authorization in ["", "X-Cbr-Authorization: Bearer wrong\r\n"] {
        let response = send(&mut connection, authorization, &body[..300_000]).await;
        assert_eq!(response.status, 401, "{response:?}");
        assert_single_text(&response.text, "unauthorized");
    }
    let good = multipart(file([row("a")]).as_bytes());
    assert_eq!(
        status_and_created(&send(&mut connection, &token_header(&site), &good).await),
        (200, json!(1)),
        "on the same connection"
    );
    assert_eq!(site.client.user("user0").await, Value::Null);
}

async fn refusals_have_one_key(site: Site) {
    let photo = multipart_with("Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"", b"\xff\xd8\xff");
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    for (method, endpoint, content_type, body, status, key) in [
        (Method::POST, "update-photo", &*form, photo, 404, "not_found"),
        (Method::POST, "csv/1", &form, multipart(b"a;b\nc;d\n"), 404, "not_found"),
        (Method::PUT, "csv", &form, multipart(b"a;b\nc;d\n"), 405, "method_not_allowed"),
        (Method::DELETE, "single", "", Vec::new(), 405, "method_not_allowed"),
        (Method::POST, "csv", "application/pdf", b"%PDF-1.7".to_vec(), 415, "unsupported_media_type"),
        (Method::POST, "batch", "text/html", b"<html>".to_vec(), 415, "unsupported_media_type"),
        (Method::POST, "single", "application/xml", b"<user/>".to_vec(), 415, "unsupported_media_type"),
    ] {
        let path = format!("/api/v2/users-import/{endpoint}");
        let response = site.client.send(method.clone(), &path, &[("content-type", content_type)], body).await;
        assert_eq!(response.status, status, "{method} {endpoint}: {}", response.text);
        assert_single_text(&response.text, key);
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send(head(&token_header(&site), "", 1_000_000_000_000)).await;
    let response = connection.next_response().await;
    assert_eq!(response.status, 413, "{response:?}");
    assert_single_text(&response.text, "payload_too_large");
}

async fn a_read_only_token_is_forbidden(mut site: Site) {
    let reader = site.tenant("default", &["--scope", "import:read"]).await;
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let one = object("a").to_string().into_bytes();
    for (endpoint, content_type, body) in [
        ("csv", &*form, multipart(file([row("a")]).as_bytes())),
        ("batch", "application/json", one.clone()),
        ("single", "application/json", one),
    ] {
        let response = post(&reader, endpoint, &[("content-type", content_type)], body).await;
        assert_eq!(response.status, 403, "{endpoint}: {}", response.text);
        assert_single_text(&response.text, "forbidden");
    }
    assert_eq!(site.client.user("a").await, Value::Null);
}
