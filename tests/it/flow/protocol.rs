//! Addresses, headers and framing, down to bytes that no HTTP client would send.

use muster_testkit::{RawAnswer, RawConnection, Site};
use reqwest::Method;

use super::{on_both, users};

on_both!(
    strange_addresses_are_not_found,
    wrong_methods_and_routes_are_named,
    unusable_requests_are_refused_and_closed,
    lengths_that_disagree_smuggle_nothing,
    a_body_that_ends_early_is_refused,
    a_refused_upload_is_not_asked_for_its_body,
    unwanted_bodies_are_read_within_bounds,
    tokens_are_taken_from_the_header_alone,
    the_tenant_comes_from_the_token_alone,
);

/// Sends the head of a request with the site's token, and a body.
async fn ask(site: &Site, line: &str, headers: &str, body: &str) -> (RawAnswer, RawConnection) {
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let token = site.client.token.as_deref().unwrap();
    connection
        .send(format!("{line} HTTP/1.1\r\nHost: x.example\r\nAuthorization: Bearer {token}\r\n{headers}\r\n{body}"))
        .await;
    (connection.answer().await, connection)
}

async fn nothing_was_kept(site: &Site) {
    assert_eq!(site.stored_uploads(), 0);
    assert_eq!(site.client.get("/bulk/v1/files").await.json()["files"], serde_json::json!([]));
}

async fn strange_addresses_are_not_found(site: Site) {
    for path in [
        "/bulk/v1/files/../../etc/passwd",
        "/bulk/v1/files/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/bulk/v1/files/..%5c..%5cetc",
        "/bulk/v1/files/%00",
        "/bulk/v1/files/%c0%af",
        "/bulk/v1/files/%ff",
        "/bulk/v1/files/%zz",
        "/bulk/v1/files/1;v=1",
        "/bulk/v1/files/1%2F",
        "/bulk/v1/files/1/",
        "/bulk/v1/files/",
        "/bulk/v1/files%2F1",
        "/BULK/v1/files/1",
        "*",
    ] {
        let (answer, _) = ask(&site, &format!("DELETE {path}"), "", "").await;
        let code = answer.json()["code"].clone();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(code == "job_not_found" || code == "route_unknown", "{path}: {answer:?}");
        assert_eq!(answer.header("location"), None, "a redirect would lose a body");
    }
    let upload = users(["a"]);
    let headers = format!("Content-Type: text/csv\r\nContent-Length: {}\r\n", upload.len());
    for path in ["/bulk/v1/files/", "/bulk/v1/files;v=1", "/bulk/v1/files%2F"] {
        let (answer, _) = ask(&site, &format!("POST {path}"), &headers, &upload).await;
        assert_eq!((answer.status, answer.header("location")), (404, None), "{path}");
    }
    nothing_was_kept(&site).await;
}

async fn wrong_methods_and_routes_are_named(site: Site) {
    for (method, path, status, code) in [
        ("PUT", "/bulk/v1/files", 405, "method_not_allowed"),
        ("PATCH", "/bulk/v1/files/1", 405, "method_not_allowed"),
        ("DELETE", "/bulk/v1/files/1/cancel", 405, "method_not_allowed"),
        ("POST", "/bulk/v1/file", 404, "route_unknown"),
        ("POST", "/", 404, "route_unknown"),
        ("TRACE", "/nothing", 404, "route_unknown"),
    ] {
        let (answer, _) = ask(&site, &format!("{method} {path}"), "Content-Length: 3\r\n", "abc").await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert!(answer.json()["message"].is_string());
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}: {}", answer.head);
    }
    let gone = site.client.send(Method::GET, "/bulk/v2/files", &[], Vec::new()).await;
    assert_eq!((gone.status, gone.json()["code"].as_str()), (404, Some("route_unknown")));
}

/// (name, request, status, code if the answer has a body)
type Unusable<'a> = (&'a str, String, u16, Option<&'a str>);

fn unusable(token: &str) -> Vec<Unusable<'static>> {
    let head = format!(
        "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n"
    );
    let get = "GET /livez HTTP/1.1\r\n";
    let many = "X-Many: y\r\n".repeat(200);
    vec![
        ("a negative length", format!("{head}Content-Length: -1\r\n\r\n"), 400, None),
        ("a length in words", format!("{head}Content-Length: abc\r\n\r\n"), 400, None),
        ("a length with a sign", format!("{head}Content-Length: +5\r\n\r\nabcde"), 400, None),
        ("a length beyond counting", format!("{head}Content-Length: 99999999999999999999\r\n\r\n"), 400, None),
        ("two lengths", format!("{head}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"), 400, None),
        ("a list of lengths", format!("{head}Content-Length: 3, 5\r\n\r\nabcde"), 400, None),
        ("chunked, but not at last", format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n"), 400, None),
        ("an unknown transfer", format!("{head}Transfer-Encoding: xchunked\r\n\r\n"), 400, None),
        ("a blank before the colon", format!("{head}Content-Length : 5\r\n\r\nabcde"), 400, None),
        (
            "a control character in the token",
            "GET /livez HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\u{1}b\r\n\r\n".into(),
            400,
            None,
        ),
        ("200 headers", format!("{get}Host: x\r\n{many}\r\n"), 431, None),
        ("garbage", "\u{16}\u{3}\u{1}garbage\r\n\r\n".into(), 400, None),
        ("HTTP/0.9", "GET /livez\r\n\r\n".into(), 400, None),
        ("HTTP/3 in text", "GET /livez HTTP/3.0\r\nHost: x\r\n\r\n".into(), 400, None),
    ]
}

async fn unusable_requests_are_refused_and_closed(site: Site) {
    for (name, request, status, code) in unusable(site.client.token.as_deref().unwrap()) {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        connection.send(request).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, code), "{name}: {answer:?}");
        assert_eq!(connection.rest().await, "", "{name}: closed after the answer");
    }
    let long = "a".repeat(20 * 1024);
    for (name, request, status, code) in [
        ("an address of 20 KiB", format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414, "uri_too_long"),
        (
            "a header of 64 KiB",
            format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "y".repeat(64 * 1024)),
            431,
            "headers_too_large",
        ),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400, "host_invalid"),
        ("two hosts", "GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(), 400, "host_invalid"),
        ("markup for a host", "GET /livez HTTP/1.1\r\nHost: x\"><b\r\n\r\n".to_owned(), 400, "host_invalid"),
        ("another host's address", "GET http://y/livez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "host_invalid"),
    ] {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        connection.send(request).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{name}");
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(connection.rest().await, "", "HTTP/2 is not spoken");
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send("GET http://x/livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.0\r\n\r\n").await;
    assert_eq!((connection.answer().await.status, connection.answer().await.status), (200, 200));
    nothing_was_kept(&site).await;
}

/// With two framings the transfer encoding counts (RFC 9112, 6.3), and what follows is no request.
async fn lengths_that_disagree_smuggle_nothing(site: Site) {
    for headers in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"]
    {
        let headers = format!("Content-Type: text/csv\r\n{headers}");
        let (answer, mut connection) =
            ask(&site, "POST /bulk/v1/files", &headers, "0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("file_empty")));
        assert_eq!(connection.rest().await, "", "one answer, then the end");
    }
    nothing_was_kept(&site).await;
}

async fn a_body_that_ends_early_is_refused(site: Site) {
    let file = users(["a"]);
    for headers in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let body = if headers.starts_with('T') { format!("{:x}\r\n{file}\r\n", file.len()) } else { file.clone() };
        let mut connection = RawConnection::open(&site.client.ingest).await;
        let token = site.client.token.as_deref().unwrap();
        let head = "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n";
        connection.send(format!("{head}Authorization: Bearer {token}\r\n{headers}\r\n{body}")).await;
        connection.half_close().await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("body_truncated")), "{headers}");
        assert_eq!(connection.rest().await, "");
    }
    nothing_was_kept(&site).await;
}

async fn a_refused_upload_is_not_asked_for_its_body(site: Site) {
    let head = "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n";
    let good = format!("Authorization: Bearer {}\r\n", site.client.token.as_deref().unwrap());
    for (headers, status, code) in [
        ("Content-Type: text/csv\r\nAuthorization: Bearer nobody\r\n".to_owned(), 401, "auth_invalid"),
        (format!("Content-Type: application/pdf\r\n{good}"), 415, "content_type_unsupported"),
        (format!("Content-Type: text/csv\r\nIdempotency-Key: a b\r\n{good}"), 400, "idempotency_key_invalid"),
    ] {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        connection.send(format!("{head}{headers}\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "no 100 before it");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(connection.rest().await, "");
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let file = users(["a"]);
    let head = head.replace("1000000", &file.len().to_string());
    connection.send(format!("{head}Content-Type: text/csv\r\n{good}\r\n")).await;
    assert_eq!(connection.answer().await.status, 100);
    connection.send(file).await;
    assert_eq!(connection.answer().await.status, 202);
}

/// A small rest is read, so that the connection can be used again; a large one is not.
async fn unwanted_bodies_are_read_within_bounds(site: Site) {
    let small = "x".repeat(100_000);
    let headers = format!("Content-Type: application/pdf\r\nContent-Length: {}\r\n", small.len());
    let (answer, mut connection) = ask(&site, "POST /bulk/v1/files", &headers, &small).await;
    assert_eq!((answer.status, answer.header("connection")), (415, None));
    connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200, "the same connection again");

    let (answer, mut connection) =
        ask(&site, "POST /bulk/v1/files", "Content-Type: text/csv\r\nContent-Length: 1000000000000\r\n", "").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("file_too_large")));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(connection.rest().await, "");
    nothing_was_kept(&site).await;
}

async fn tokens_are_taken_from_the_header_alone(site: Site) {
    let token = "muster_canary-7f3a";
    let nobody = site.client.with_token(None);
    for (method, path) in [(Method::POST, "/bulk/v1/files"), (Method::GET, "/bulk/v1/files")] {
        let answer =
            nobody.send(method.clone(), &format!("{path}?access_token={token}"), &[], users(["a"]).into_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("auth_missing")));
        let message = "Tokens in the address are not accepted: send the header `Authorization: Bearer <token>`.";
        assert_eq!(answer.json()["message"], message);
        let long = nobody.with_token(Some(&"t".repeat(8 * 1024))).send(method.clone(), path, &[], Vec::new()).await;
        assert_eq!((long.status, long.json()["code"].as_str()), (401, Some("auth_invalid")));
        for authorization in ["bearer  x  y", "Token x", "Bearer"] {
            let answer = nobody.send(method.clone(), path, &[("authorization", authorization)], Vec::new()).await;
            assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("auth_scheme")), "{authorization}");
        }
        let twice = [("authorization", "Bearer x"), ("authorization", "Bearer x")];
        let answer = nobody.send(method.clone(), path, &twice, Vec::new()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("header_repeated")));
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send(b"DELETE /bulk/v1/files/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\xd0\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 401, "bytes that are no text");
    assert!(!site.output().contains("canary"), "a token is in a log");
}

async fn the_tenant_comes_from_the_token_alone(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let headers = [
        ("x-tenant-id", "other"),
        ("x-tenant", "2"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=127.0.0.1;host=evil.example"),
    ];
    let answer = site.client.post(&[&headers[..], &[("content-type", "text/csv")]].concat(), users(["a"])).await;
    assert_eq!(answer.status, 202);
    assert!(!answer.text.contains("evil"), "{}", answer.text);
    let url = answer.json()["status_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/bulk").unwrap()..];
    site.client.finished(path).await;
    assert_eq!(other.get(path).await.status, 404);
    assert_eq!(other.user("a").await, serde_json::Value::Null);
    assert_eq!(site.client.user("a").await["username"], "a");
}
