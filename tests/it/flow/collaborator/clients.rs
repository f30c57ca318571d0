//! Requests byte by byte as the vendor's programs and its documents send them.

use muster_testkit::{RawAnswer, RawConnection, Site};
use reqwest::Method;
use serde_json::{Value, json};

use super::{BOUNDARY, counts, envelope, file, multipart, object, on_both, post, post_csv, row, says_only};

on_both!(
    the_sync_program_imports_a_file,
    parts_of_a_file_follow_each_other_on_one_connection,
    a_stray_semicolon_behind_the_file_name_is_tolerated,
    the_directory_program_sends_new_passwords_each_night,
    names_and_types_of_the_part_do_not_matter,
    a_batch_is_a_file_an_array_or_one_object,
    either_header_carries_the_token,
    an_unauthorised_body_is_read_to_its_end,
    refusals_have_one_key,
    a_token_that_may_only_read_is_forbidden,
);

const PART: &str = "Content-Disposition: form-data; name=\"file\"; filename=\"file.csv\"\r\nContent-Type: text/csv";

/// The head that the sync program sends, on the address that its settings make of a server with a slash.
fn head(authorization: &str, more: &str, length: usize) -> String {
    format!(
        "POST //api/v2/users-import/csv?prefix=abc HTTP/1.1\r\nUser-Agent: cbr-csv-sync-tool\r\n\
         Cache-Control: no-cache\r\nPragma: no-cache\r\n{authorization}\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nHost: x.example\r\nContent-Length: {length}\r\n\
         {more}\r\n"
    )
}

fn token(site: &Site) -> String {
    format!("X-Cbr-Authorization: Bearer {}\r\n", site.client.token.as_deref().unwrap())
}

/// Sends a body in one piece with its head.
async fn ask(connection: &mut RawConnection, authorization: &str, body: &[u8]) -> RawAnswer {
    let head = head(authorization, "", body.len());
    connection.send([head.as_bytes(), body].concat()).await;
    connection.answer().await
}

fn created(answer: &RawAnswer) -> (u16, Value) {
    (answer.status, answer.json()["created_count"].clone())
}

async fn the_sync_program_imports_a_file(site: Site) {
    let body = multipart(file([row("a"), row("b")]).as_bytes());
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let more = "Expect: 100-continue\r\nConnection: Keep-Alive\r\n";
    connection.send(head(&token(&site), more, body.len())).await;
    assert_eq!(connection.answer().await.status, 100, "before the body");
    connection.send(body).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!({"created_count": 2, "updated_count": 0, "blocked_count": 0, "unblocked_count": 0});
    assert_eq!(answer.json(), expected);
    assert_eq!((answer.header("location"), answer.header("transfer-encoding")), (None, None));
    assert_eq!(site.client.user("b").await["uid"], "b");
}

/// The program sends a refused part's successors all the same.
async fn parts_of_a_file_follow_each_other_on_one_connection(site: Site) {
    let mut connection = RawConnection::open(&site.client.ingest).await;
    for (number, rows, expected) in [
        (1, "a;Last;First;;a\r\nb;Last;First;;b", (200, json!(2))),
        (2, "c;Last;First;;c\r\nd;Last;First;;d", (200, json!(2))),
        (3, ";Last;First;;e\r\n", (400, Value::Null)),
        (4, "a;Last;First;;a\r\nf;Last;First;;f", (200, json!(1))),
    ] {
        let part = PART.replace("file.csv", &format!("file{number}.csv"));
        let body = envelope(&part, format!("ID;Last name;First name\r\n{rows}").as_bytes());
        assert_eq!(created(&ask(&mut connection, &token(&site), &body).await), expected, "part {number}");
    }
    for login in ["a", "b", "c", "d", "f"] {
        assert_eq!(site.client.user(login).await["blocked_reason"], Value::Null, "{login} is in some part only");
        assert_eq!(site.client.user(login).await["uid"], login);
    }
}

async fn a_stray_semicolon_behind_the_file_name_is_tolerated(site: Site) {
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let body = envelope(&PART.replace("file.csv\"", "file.csv\";"), file([row("a")]).as_bytes());
    let token = format!("Authorization: Bearer {}\r\n", site.client.token.as_deref().unwrap());
    assert_eq!(created(&ask(&mut connection, &token, &body).await), (200, json!(1)));
}

/// 27 columns, never quoted, users by lower-case GUIDs.
async fn the_directory_program_sends_new_passwords_each_night(site: Site) {
    let night = |password: &str| {
        let rows = (0..3).map(|n| {
            format!(
                "3f2504e0-4f89-41d3-9a0c-0305e82c330{n};O'Neil;Ann;;ann{n};ann{n}@x.example;{password}-{n};;;Kyiv;\
                 R&D, lab;Chemist;a,b;;0;;;;;;;;;;;;"
            )
        });
        file(rows)
    };
    for (password, expected) in [("0b7e", [3, 0, 0, 0]), ("97c1", [0; 4])] {
        assert_eq!(counts(&post_csv(&site, night(password)).await), expected);
    }
    let user = site.client.user("ann2").await;
    assert_eq!((&user["tags"], &user["department"]), (&json!(["a", "b"]), &json!("R&D, lab")));
}

async fn names_and_types_of_the_part_do_not_matter(site: Site) {
    for (name, part) in [
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
        let kind = format!("multipart/form-data; boundary=\"{BOUNDARY}\"");
        let body = envelope(part, file([row(name)]).as_bytes());
        assert_eq!(counts(&post(&site.client, "csv", &[("content-type", &*kind)], body).await), [1, 0, 0, 0], "{name}");
    }
}

async fn a_batch_is_a_file_an_array_or_one_object(site: Site) {
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let array = json!([object("b"), object("c")]).to_string().into_bytes();
    let one = object("d").to_string().into_bytes();
    for (kind, body, expected) in [
        (&*form, multipart(file([row("a")]).as_bytes()), 1),
        ("application/json", array, 2),
        ("application/json;charset=UTF-8", one, 1),
        ("application/json; charset=utf-8", format!("\r\n [{}] \r\n", object("e")).into_bytes(), 1),
    ] {
        let answer = post(&site.client, "batch", &[("content-type", kind)], body).await;
        assert_eq!(counts(&answer), [expected, 0, 0, 0], "{kind}");
    }
    for login in ["a", "b", "c", "d", "e"] {
        assert_eq!(site.client.user(login).await["uid"], login);
    }
}

async fn either_header_carries_the_token(site: Site) {
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
        let answer = ask(&mut connection, &headers, &multipart(file([row("a")]).as_bytes())).await;
        assert_eq!(answer.status, status, "{headers}: {answer:?}");
        if status == 401 {
            says_only(&answer.text, "unauthorized");
        }
    }
    assert!(!site.output().contains("KN8pb6Yp8w9ijv"), "a token is in the log");
}

/// A client that is cut off in the middle of its body hangs at a prompt.
async fn an_unauthorised_body_is_read_to_its_end(site: Site) {
    let rows: Vec<String> = (0..10_000).map(|n| row(&format!("user{n}"))).collect();
    let body = multipart(file(rows).as_bytes());
    assert!(body.len() > 300_000);
    let mut connection = RawConnection::open(&site.client.ingest).await;
    for authorization in ["", "X-Cbr-Authorization: Bearer wrong\r\n"] {
        let answer = ask(&mut connection, authorization, &body[..300_000]).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        says_only(&answer.text, "unauthorized");
    }
    let good = multipart(file([row("a")]).as_bytes());
    assert_eq!(created(&ask(&mut connection, &token(&site), &good).await), (200, json!(1)), "the same connection");
    assert_eq!(site.client.user("user0").await, Value::Null);
}

async fn refusals_have_one_key(site: Site) {
    let photo = envelope("Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"", b"\xff\xd8\xff");
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    for (method, call, kind, body, status, key) in [
        (Method::POST, "update-photo", &*form, photo, 404, "not_found"),
        (Method::POST, "csv/1", &form, multipart(b"a;b\nc;d\n"), 404, "not_found"),
        (Method::PUT, "csv", &form, multipart(b"a;b\nc;d\n"), 405, "method_not_allowed"),
        (Method::DELETE, "single", "", Vec::new(), 405, "method_not_allowed"),
        (Method::POST, "csv", "application/pdf", b"%PDF-1.7".to_vec(), 415, "unsupported_media_type"),
        (Method::POST, "batch", "text/html", b"<html>".to_vec(), 415, "unsupported_media_type"),
        (Method::POST, "single", "application/xml", b"<user/>".to_vec(), 415, "unsupported_media_type"),
    ] {
        let path = format!("/api/v2/users-import/{call}");
        let answer = site.client.send(method.clone(), &path, &[("content-type", kind)], body).await;
        assert_eq!(answer.status, status, "{method} {call}: {}", answer.text);
        says_only(&answer.text, key);
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send(head(&token(&site), "", 1_000_000_000_000)).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 413, "{answer:?}");
    says_only(&answer.text, "payload_too_large");
}

async fn a_token_that_may_only_read_is_forbidden(mut site: Site) {
    let reader = site.tenant("default", &["--scope", "import:read"]).await;
    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    let one = object("a").to_string().into_bytes();
    for (call, kind, body) in [
        ("csv", &*form, multipart(file([row("a")]).as_bytes())),
        ("batch", "application/json", one.clone()),
        ("single", "application/json", one),
    ] {
        let answer = post(&reader, call, &[("content-type", kind)], body).await;
        assert_eq!(answer.status, 403, "{call}: {}", answer.text);
        says_only(&answer.text, "forbidden");
    }
    assert_eq!(site.client.user("a").await, Value::Null);
}
