//! URLs, headers and framing, including bytes that no HTTP client would send.

use muster_testkit::{RawConnection, RawResponse, Site};
use reqwest::Method;

use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(
    malformed_paths_are_not_found,
    unknown_routes_and_methods_are_refused,
    malformed_requests_are_refused_and_their_connection_is_closed,
    conflicting_lengths_cannot_smuggle_a_request,
    a_truncated_body_is_refused,
    an_upload_is_refused_before_its_body_is_requested,
    only_a_small_body_is_drained_after_a_refusal,
    tokens_are_accepted_only_in_the_header,
    only_the_token_determines_the_tenant,
);

/// Sends a request with the token of the site.
async fn send(site: &Site, line: &str, headers: &str, body: &str) -> (RawResponse, RawConnection) {
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let token = site.client.token.as_deref().unwrap();
    connection
        .send(format!("{line} HTTP/1.1\r\nHost: x.example\r\nAuthorization: Bearer {token}\r\n{headers}\r\n{body}"))
        .await;
    (connection.next_response().await, connection)
}

async fn assert_nothing_stored(site: &Site) {
    assert_eq!(site.count_stored_uploads(), 0);
    assert_eq!(site.client.get("/bulk/v1/files").await.json()["files"], serde_json::json!([]));
}

async fn malformed_paths_are_not_found(site: Site) {
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
        let (response, _) = send(&site, &format!("DELETE {path}"), "", "").await;
        let code = response.json()["code"].clone();
        assert_eq!(response.status, 404, "{path}: {response:?}");
        assert!(code == "job_not_found" || code == "route_unknown", "{path}: {response:?}");
        assert_eq!(response.header("location"), None, "a client that follows a redirect may lose the body");
    }
    let upload = users(["a"]);
    let headers = format!("Content-Type: text/csv\r\nContent-Length: {}\r\n", upload.len());
    for path in ["/bulk/v1/files/", "/bulk/v1/files;v=1", "/bulk/v1/files%2F"] {
        let (response, _) = send(&site, &format!("POST {path}"), &headers, &upload).await;
        assert_eq!((response.status, response.header("location")), (404, None), "{path}");
    }
    assert_nothing_stored(&site).await;
}

async fn unknown_routes_and_methods_are_refused(site: Site) {
    for (method, path, status, code) in [
        ("PUT", "/bulk/v1/files", 405, "method_not_allowed"),
        ("PATCH", "/bulk/v1/files/1", 405, "method_not_allowed"),
        ("DELETE", "/bulk/v1/files/1/cancel", 405, "method_not_allowed"),
        ("POST", "/bulk/v1/file", 404, "route_unknown"),
        ("POST", "/", 404, "route_unknown"),
        ("TRACE", "/nothing", 404, "route_unknown"),
    ] {
        let (response, _) = send(&site, &format!("{method} {path}"), "Content-Length: 3\r\n", "abc").await;
        assert_eq!((response.status, response.json()["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert!(response.json()["message"].is_string());
        assert_eq!(response.header("allow").is_some(), status == 405, "{method} {path}: {}", response.head);
    }
    let other_version = site.client.send(Method::GET, "/bulk/v2/files", &[], Vec::new()).await;
    assert_eq!((other_version.status, other_version.json()["code"].as_str()), (404, Some("route_unknown")));
}

/// (name, request, status)
type MalformedRequest = (&'static str, String, u16);

/// Requests that hyper refuses without a body in its response.
fn malformed_requests(token: &str) -> Vec<MalformedRequest> {
    let head = format!(
        "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n"
    );
    let get = "GET /livez HTTP/1.1\r\n";
    let many = "X-Many: y\r\n".repeat(200);
    vec![
        ("a negative length", format!("{head}Content-Length: -1\r\n\r\n"), 400),
        ("a length in words", format!("{head}Content-Length: abc\r\n\r\n"), 400),
        ("a length with a sign", format!("{head}Content-Length: +5\r\n\r\nabcde"), 400),
        ("a length over 64 bits", format!("{head}Content-Length: 99999999999999999999\r\n\r\n"), 400),
        ("two lengths", format!("{head}Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde"), 400),
        ("a list of lengths", format!("{head}Content-Length: 3, 5\r\n\r\nabcde"), 400),
        ("chunked, but not as the last coding", format!("{head}Transfer-Encoding: chunked, gzip\r\n\r\n"), 400),
        ("an unknown transfer coding", format!("{head}Transfer-Encoding: xchunked\r\n\r\n"), 400),
        ("a blank before the colon", format!("{head}Content-Length : 5\r\n\r\nabcde"), 400),
        (
            "a control character in the token",
            "GET /livez HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\u{1}b\r\n\r\n".into(),
            400,
        ),
        ("200 headers", format!("{get}Host: x\r\n{many}\r\n"), 431),
        ("garbage", "\u{16}\u{3}\u{1}garbage\r\n\r\n".into(), 400),
        ("HTTP/0.9", "GET /livez\r\n\r\n".into(), 400),
        ("HTTP/3 in text", "GET /livez HTTP/3.0\r\nHost: x\r\n\r\n".into(), 400),
    ]
}

async fn malformed_requests_are_refused_and_their_connection_is_closed(site: Site) {
    for (name, request, status) in malformed_requests(site.client.token.as_deref().unwrap()) {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        connection.send(request).await;
        let response = connection.next_response().await;
        assert_eq!((response.status, response.json()["code"].as_str()), (status, None), "{name}: {response:?}");
        assert_eq!(connection.rest().await, "", "{name}: closed after the response");
    }
    let long = "a".repeat(20 * 1024);
    for (name, request, status, code) in [
        ("a URL of 20 KiB", format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414, "uri_too_long"),
        (
            "a header of 64 KiB",
            format!("GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "y".repeat(64 * 1024)),
            431,
            "headers_too_large",
        ),
        ("no host", "GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400, "host_invalid"),
        ("two hosts", "GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".to_owned(), 400, "host_invalid"),
        ("markup for a host", "GET /livez HTTP/1.1\r\nHost: x\"><b\r\n\r\n".to_owned(), 400, "host_invalid"),
        ("a URL with another host", "GET http://y/livez HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "host_invalid"),
    ] {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        connection.send(request).await;
        let response = connection.next_response().await;
        assert_eq!((response.status, response.json()["code"].as_str()), (status, Some(code)), "{name}");
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(connection.rest().await, "", "HTTP/2 is not supported");
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send("GET http://x/livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.0\r\n\r\n").await;
    assert_eq!((connection.next_response().await.status, connection.next_response().await.status), (200, 200));
    assert_nothing_stored(&site).await;
}

/// Transfer-Encoding overrides Content-Length (RFC 9112, section 6.3), and the bytes after the body are no request.
async fn conflicting_lengths_cannot_smuggle_a_request(site: Site) {
    for headers in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"]
    {
        let headers = format!("Content-Type: text/csv\r\n{headers}");
        let (response, mut connection) =
            send(&site, "POST /bulk/v1/files", &headers, "0\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("file_empty")));
        assert_eq!(connection.rest().await, "", "one response, then the end of the connection");
    }
    assert_nothing_stored(&site).await;
}

async fn a_truncated_body_is_refused(site: Site) {
    let file = users(["a"]);
    for headers in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let body = if headers.starts_with('T') { format!("{:x}\r\n{file}\r\n", file.len()) } else { file.clone() };
        let mut connection = RawConnection::open(&site.client.ingest).await;
        let token = site.client.token.as_deref().unwrap();
        let head = "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n";
        connection.send(format!("{head}Authorization: Bearer {token}\r\n{headers}\r\n{body}")).await;
        connection.half_close().await;
        let response = connection.next_response().await;
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("body_truncated")), "{headers}");
        assert_eq!(connection.rest().await, "");
    }
    assert_nothing_stored(&site).await;
}

/// With `Expect: 100-continue` a client waits for the service to request the body.
async fn an_upload_is_refused_before_its_body_is_requested(site: Site) {
    let head = "POST /bulk/v1/files HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n";
    let good = format!("Authorization: Bearer {}\r\n", site.client.token.as_deref().unwrap());
    for (headers, status, code) in [
        ("Content-Type: text/csv\r\nAuthorization: Bearer nobody\r\n".to_owned(), 401, "auth_invalid"),
        (format!("Content-Type: application/pdf\r\n{good}"), 415, "content_type_unsupported"),
        (format!("Content-Type: text/csv\r\nIdempotency-Key: a b\r\n{good}"), 400, "idempotency_key_invalid"),
    ] {
        let mut connection = RawConnection::open(&site.client.ingest).await;
        connection.send(format!("{head}{headers}\r\n")).await;
        let response = connection.next_response().await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (status, Some(code)),
            "no status 100 before it"
        );
        assert_eq!(response.header("connection"), Some("close"));
        assert_eq!(connection.rest().await, "");
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    let file = users(["a"]);
    let head = head.replace("1000000", &file.len().to_string());
    connection.send(format!("{head}Content-Type: text/csv\r\n{good}\r\n")).await;
    assert_eq!(connection.next_response().await.status, 100);
    connection.send(file).await;
    assert_eq!(connection.next_response().await.status, 202);
}

/// A small body is drained so that the connection can be used again. A large one is not.
async fn only_a_small_body_is_drained_after_a_refusal(site: Site) {
    let small = "x".repeat(100_000);
    let headers = format!("Content-Type: application/pdf\r\nContent-Length: {}\r\n", small.len());
    let (response, mut connection) = send(&site, "POST /bulk/v1/files", &headers, &small).await;
    assert_eq!((response.status, response.header("connection")), (415, None));
    connection.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(connection.next_response().await.status, 200, "on the same connection");

    let (response, mut connection) =
        send(&site, "POST /bulk/v1/files", "Content-Type: text/csv\r\nContent-Length: 1000000000000\r\n", "").await;
    assert_eq!((response.status, response.json()["code"].as_str()), (413, Some("file_too_large")));
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(connection.rest().await, "");
    assert_nothing_stored(&site).await;
}

async fn tokens_are_accepted_only_in_the_header(site: Site) {
    let token = "muster_canary-7f3a";
    let anonymous = site.client.with_token(None);
    for (method, path) in [(Method::POST, "/bulk/v1/files"), (Method::GET, "/bulk/v1/files")] {
        let response = anonymous
            .send(method.clone(), &format!("{path}?access_token={token}"), &[], users(["a"]).into_bytes())
            .await;
        assert_eq!((response.status, response.json()["code"].as_str()), (401, Some("auth_missing")));
        let message = "Tokens in the URL are not accepted: send the header `Authorization: Bearer <token>`.";
        assert_eq!(response.json()["message"], message);
        let long_token = anonymous.with_token(Some(&"t".repeat(8 * 1024)));
        let refused = long_token.send(method.clone(), path, &[], Vec::new()).await;
        assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some("auth_invalid")));
        for authorization in ["bearer  x  y", "Token x", "Bearer"] {
            let response = anonymous.send(method.clone(), path, &[("authorization", authorization)], Vec::new()).await;
            assert_eq!(
                (response.status, response.json()["code"].as_str()),
                (401, Some("auth_scheme")),
                "{authorization}"
            );
        }
        let twice = [("authorization", "Bearer x"), ("authorization", "Bearer x")];
        let response = anonymous.send(method.clone(), path, &twice, Vec::new()).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("header_repeated")));
    }
    let mut connection = RawConnection::open(&site.client.ingest).await;
    connection.send(b"DELETE /bulk/v1/files/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\xd0\r\n\r\n").await;
    assert_eq!(connection.next_response().await.status, 401, "bytes that are not text");
    assert!(!site.output().contains("canary"), "a token is in a log");
}

async fn only_the_token_determines_the_tenant(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let headers = [
        ("x-tenant-id", "other"),
        ("x-tenant", "2"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=127.0.0.1;host=evil.example"),
    ];
    let response = site.client.post(&[&headers[..], &[("content-type", "text/csv")]].concat(), users(["a"])).await;
    assert_eq!(response.status, 202);
    assert!(!response.text.contains("evil"), "{}", response.text);
    let url = response.json()["status_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/bulk").unwrap()..];
    site.client.wait_until_final(path).await;
    assert_eq!(other.get(path).await.status, 404);
    assert_eq!(other.user("a").await, serde_json::Value::Null);
    assert_eq!(site.client.user("a").await["username"], "a");
}
