//! Uploads that are refused, each with its status, its code and one clear sentence; nothing is kept.

use muster_testkit::{Backend, Site, SiteOptions};

use super::bodies::pack;
use super::{TITLES, on_both, users};
use crate::MUSTER;

on_both!(
    unusable_files_are_refused,
    unusable_envelopes_are_refused,
    unusable_headers_are_refused,
    damaged_compression_is_refused,
);

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
    let many = vec!["x"; 5000].join(",").into_bytes();
    let endless = vec![b'x'; 1_000_000];
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
        (
            b"sep=;\nEMAIL;USERNAME;FIRST_NM;LAST_NM\n",
            (
                400,
                "header_invalid",
                "The first line is `sep=`, which is for spreadsheets; remove it: the first line must name the columns.",
            ),
        ),
        (
            b"EMAIL,USERNAME,FIRST_NM,LAST_NM,Password\n",
            (400, "column_forbidden", "Column 5 holds passwords, which are not taken; remove it."),
        ),
        (
            "EMAIL,USERNAME,FIRST_NM,LAST_NM,\u{202e}x\n".as_bytes(),
            (400, "header_invalid", "The title of column 5 has the invisible character U+202E."),
        ),
        (b"EMAIL,USERNAME,FIRST_NM,LAST_NM,,x\n", (400, "header_invalid", "Column 5 has no title.")),
        (&many, (400, "too_many_columns", "The header has 5000 columns; at most 200 are read.")),
        (&endless, (400, "header_invalid", "The header does not end within the first 64 KiB.")),
    ];
    for (body, expected) in cases {
        check(&site, &[("content-type", "text/csv")], body.to_vec(), expected).await;
    }
    nothing_was_kept(&site).await;
}

/// A part with what stands behind `form-data; `, and a file.
fn file_part(disposition: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{}\r\n", users(["a"]))
}

async fn unusable_envelopes_are_refused(site: Site) {
    let part = "There is no part named `file`; send the CSV as the part `file` of multipart/form-data.";
    let ends = "The multipart body cannot be read: it ends before its closing boundary.";
    let other = "There is a part other than `file`; send exactly one part, named `file`.";
    let malformed = "The multipart body cannot be read: its boundary or its part headers are malformed.";
    let long = "The multipart body cannot be read: its boundary must have 1 to 70 characters.";
    let nested = "The multipart body cannot be read: a part may not be a multipart body itself.";
    let charset = "Content-Type names a charset other than UTF-8; send the file as UTF-8.";
    let typed = |kind: &str| file_part(&format!("name=file\r\nContent-Type: {kind}")) + "--b--\r\n";
    let parts = |count| (0..count).map(|n| file_part(&format!("name=x{n}"))).collect::<String>();
    let file = |name: &str| file_part(&format!("name=\"{name}\""));
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
        ("multipart/form-data; boundary=", file("file"), (400, "multipart_malformed", long)),
        (
            &format!("multipart/form-data; boundary={}", "b".repeat(200)),
            file("file"),
            (400, "multipart_malformed", long),
        ),
        (multipart, format!("{}--b--\r\n", file("is_admin") + &file("file")), (400, "file_part_missing", part)),
        (
            multipart,
            format!("{}--b--\r\n", file("file") + &file("is_admin")),
            (400, "multipart_part_unexpected", other),
        ),
        (multipart, parts(10_000) + "--b--\r\n", (400, "file_part_missing", part)),
        (multipart, file("file") + &parts(10_000), (400, "multipart_part_unexpected", other)),
        (multipart, file_part(&format!("name=file; x={}", "y".repeat(1 << 20))), (400, "file_part_missing", part)),
        (multipart, file_part("name=file; filename=\"a\r\nb\""), (400, "multipart_malformed", malformed)),
        (multipart, file_part("name=file; filename=\"a\0b\""), (400, "multipart_malformed", malformed)),
        (multipart, typed("multipart/mixed; boundary=c"), (400, "multipart_malformed", nested)),
        (multipart, typed("text/csv; charset=utf-16"), (415, "charset_unsupported", charset)),
        (multipart, typed("text/csv; charset=windows-1251"), (415, "charset_unsupported", charset)),
    ] {
        check(&site, &[("content-type", content_type)], body.into_bytes(), expected).await;
    }
    nothing_was_kept(&site).await;
}

async fn unusable_headers_are_refused(site: Site) {
    let kind = "Content-Type must be multipart/form-data with a part `file`, or text/csv.";
    let encoding = "Content-Encoding must be gzip, zstd or absent.";
    let charset = "Content-Type names a charset other than UTF-8; send the file as UTF-8.";
    let twice = |name: &str| format!("The header {name} was sent more than once.");
    let zeros = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    let mismatch = "The body is not the one that the sha-256 in the header stands for; send it again.";
    let csv = ("content-type", "text/csv");
    let cases: &[(&[(&str, &str)], Expected<'_>)] = &[
        (&[], (415, "content_type_unsupported", kind)),
        (&[("content-type", "")], (415, "content_type_unsupported", kind)),
        (&[("content-type", "text/html")], (415, "content_type_unsupported", kind)),
        (&[("content-type", "application/pdf")], (415, "content_type_unsupported", kind)),
        (&[("content-type", "multipart/mixed; boundary=b")], (415, "content_type_unsupported", kind)),
        (&[("content-type", "application/x-www-form-urlencoded")], (415, "content_type_unsupported", kind)),
        (&[("content-type", "text/csv; charset=utf-16")], (415, "charset_unsupported", charset)),
        (&[("content-type", "text/csv;charset=\"windows-1251\"")], (415, "charset_unsupported", charset)),
        (&[csv, ("content-encoding", "br")], (415, "encoding_unsupported", encoding)),
        (&[csv, ("content-encoding", "gzip, gzip")], (415, "encoding_unsupported", encoding)),
        (
            &[csv, ("content-encoding", "gzip"), ("content-encoding", "gzip")],
            (400, "header_repeated", &twice("Content-Encoding")),
        ),
        (&[csv, csv], (400, "header_repeated", &twice("Content-Type"))),
        (&[csv, ("content-digest", zeros)], (422, "digest_mismatch", mismatch)),
        (
            &[csv, ("digest", "SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
            (422, "digest_mismatch", mismatch),
        ),
        (
            &[csv, ("content-digest", "sha-256=:AAAA:")],
            (
                400,
                "digest_invalid",
                "The sha-256 of Content-Digest cannot be read; expected the base64 form of 32 bytes.",
            ),
        ),
    ];
    for (headers, expected) in cases {
        // Larger than what is looked at first, so that a part of it is stored when it is refused.
        check(&site, headers, users((0..5_000).map(|n| format!("user{n}"))).into_bytes(), *expected).await;
    }
    nothing_was_kept(&site).await;
}

async fn damaged_compression_is_refused(site: Site) {
    let file = users(["a", "b"]).into_bytes();
    let packed = pack("gzip", &file);
    let damaged = "The gzip data are damaged.";
    for (name, body, code, reason) in [
        ("not gzip", file.clone(), "compression_invalid", damaged),
        ("no bytes", Vec::new(), "compression_invalid", damaged),
        ("cut", packed[..packed.len() - 9].to_vec(), "compression_invalid", damaged),
        ("a wrong checksum", [&packed[..packed.len() - 8], &[0; 8]].concat(), "compression_invalid", damaged),
        ("garbage behind it", [&packed[..], b"garbage"].concat(), "compression_invalid", damaged),
        (
            "gzip in gzip",
            pack("gzip", &packed),
            "not_csv",
            "The file is gzip data without Content-Encoding: gzip; expected CSV text.",
        ),
    ] {
        let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
        let answer = site.client.post(&headers, body.clone()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some(code)), "{name}: {}", answer.text);
        assert_eq!(answer.json()["status"], format!("Status: Failed. {reason}"), "{name}");
    }
    let zstd = [("content-type", "text/csv"), ("content-encoding", "zstd")];
    check(&site, &zstd, packed, (400, "compression_invalid", "The zstd data are damaged.")).await;
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
