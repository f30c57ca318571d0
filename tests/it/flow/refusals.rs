//! Uploads that are refused, each with its status, its code and one clear sentence; nothing is kept.

use muster_testkit::{Backend, Site, SiteOptions};

use super::{TITLES, on_both, users};
use crate::MUSTER;

on_both!(unusable_files_are_refused, unusable_envelopes_are_refused);

/// Status code, error code, reason.
type Expected<'a> = (u16, &'a str, &'a str);

async fn check(site: &Site, headers: &[(&str, &str)], body: Vec<u8>, expected: Expected<'_>) {
    let (status, code, reason) = expected;
    let answer = site.client.post(headers, body).await;
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{}", answer.text);
    assert_eq!(body["status"], format!("Status: Failed. {reason}"));
    assert!(body.get("status_url").is_none());
}

async fn nothing_was_kept(site: &Site) {
    assert_eq!(site.stored_uploads(), 0);
    assert_eq!(site.client.get("/bulk/v1/files").await.json()["files"], serde_json::json!([]));
}

async fn unusable_files_are_refused(site: Site) {
    let utf16: Vec<u8> = TITLES.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cp1251 = [users(["a"]).as_bytes(), b"\xc8\xe2\xe0\xed@x,b,F,L\n"].concat();
    let missing = "The required column EMAIL is missing; the first line must name the columns, separated by commas.";
    let cases: Vec<(&[u8], Expected<'_>)> = vec![
        (b"", (400, "file_empty", "The file is empty.")),
        (b"\xef\xbb\xbf\n\n", (400, "file_empty", "The file is empty.")),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", (400, "not_csv", "The file is a PNG picture; expected CSV text.")),
        (b"PK\x03\x04....", (400, "not_csv", "The file is a ZIP archive or an Excel workbook; expected CSV text.")),
        (b"USERNAME,FIRST_NM,LAST_NM\nu,f,l\n", (400, "column_missing", missing)),
        (
            b"EMAIL;USERNAME;FIRST_NM;LAST_NM\n",
            (400, "delimiter_suspected", "The values seem to be separated by semicolons; expected commas."),
        ),
        (
            b"EMAIL,USERNAME,FIRST_NM,LAST_NM,email \n",
            (400, "column_duplicate", "Columns 1 and 5 have the same title."),
        ),
        (&utf16, (400, "encoding_utf16", "The file is UTF-16 without a byte order mark; expected UTF-8.")),
        (&cp1251, (400, "utf8_invalid", "The file is not UTF-8: byte 57 cannot be read.")),
    ];
    for (body, expected) in cases {
        check(&site, &[("content-type", "text/csv")], body.to_vec(), expected).await;
    }
    nothing_was_kept(&site).await;
}

async fn unusable_envelopes_are_refused(site: Site) {
    let part = "There is no part named `file`; send the CSV as the part `file` of multipart/form-data.";
    let ends = "The multipart body cannot be read: it ends before its closing boundary.";
    let other = "There is a part other than `file`; send exactly one part, named `file`.";
    let kind = "Content-Type must be multipart/form-data with a part `file`, or text/csv.";
    let file =
        |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n", users(["a"]));
    let multipart = "multipart/form-data; boundary=b";
    for (content_type, body, expected) in [
        (multipart, format!("{}--b--\r\n", file("data")), (400, "file_part_missing", part)),
        (multipart, "--b--\r\n".to_owned(), (400, "file_part_missing", part)),
        (multipart, file("file"), (400, "multipart_malformed", ends)),
        (multipart, format!("{}{}--b--\r\n", file("file"), file("file")), (400, "multipart_part_unexpected", other)),
        (multipart, "x".repeat(1_000_000), (400, "file_part_missing", part)),
        (
            "multipart/form-data",
            file("file"),
            (400, "multipart_malformed", "The multipart body cannot be read: Content-Type has no boundary."),
        ),
        ("application/pdf", users(["a"]), (415, "content_type_unsupported", kind)),
    ] {
        check(&site, &[("content-type", content_type)], body.into_bytes(), expected).await;
    }
    let encoding = "Content-Encoding must be gzip, zstd or absent.";
    let headers = [("content-type", "text/csv"), ("content-encoding", "br")];
    check(&site, &headers, users(["a"]).into_bytes(), (415, "encoding_unsupported", encoding)).await;
    let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let damaged = "The gzip data are damaged.";
    check(&site, &headers, users(["a"]).into_bytes(), (400, "compression_invalid", damaged)).await;
    nothing_was_kept(&site).await;
}

async fn a_file_over_the_limit(backend: Backend) {
    let variables = vec![("MUSTER_MAX_UPLOAD_BYTES".to_owned(), "100000".to_owned())];
    let site = Site::start(MUSTER, backend, SiteOptions { variables, ..SiteOptions::default() }).await;
    let large = users((0..10_000).map(|n| format!("u{n}")));
    let expected = (413, "file_too_large", "The file is larger than 100000 bytes.");
    check(&site, &[("content-type", "text/csv")], large.clone().into_bytes(), expected).await;
    let body = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{large}\r\n--b--\r\n");
    check(&site, &[("content-type", "multipart/form-data; boundary=b")], body.into_bytes(), expected).await;
    nothing_was_kept(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_refused_embedded() {
    a_file_over_the_limit(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_refused_distributed() {
    a_file_over_the_limit(Backend::Distributed).await;
}
