//! Each refused upload has a status, a code and one clear sentence, and nothing of it is stored.

use muster_testkit::{Backend, Site, SiteOptions};

use super::bodies::compress;
use crate::MUSTER;
use crate::flow::{TITLES, test_on_both_backends, users};

test_on_both_backends!(
    invalid_files_are_refused,
    invalid_multipart_bodies_are_refused,
    invalid_headers_are_refused,
    damaged_compression_is_refused,
);

/// (HTTP status, error code, reason)
type Refusal<'a> = (u16, &'a str, &'a str);

async fn assert_refused(site: &Site, headers: &[(&str, &str)], body: Vec<u8>, expected: Refusal<'_>) {
    let (status, code, reason) = expected;
    let response = site.client.post(headers, body).await;
    let body = response.json();
    assert_eq!((response.status, body["code"].as_str()), (status, Some(code)), "{}", response.text);
    assert_eq!(body["status"], format!("Status: Failed. {reason}"));
    assert!(body.get("status_url").is_none());
}

async fn assert_nothing_stored(site: &Site) {
    assert_eq!(site.count_stored_uploads(), 0);
    assert_eq!(site.client.get("/bulk/v1/files").await.json()["files"], serde_json::json!([]));
}

async fn invalid_files_are_refused(site: Site) {
    let utf16: Vec<u8> = TITLES.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cp1251 = [users(["a"]).as_bytes(), b"\xc8\xe2\xe0\xed@x,b,F,L\n"].concat();
    let many_columns = vec!["x"; 5000].join(",").into_bytes();
    let long_header = vec![b'-'; 1_000_000];
    let missing_column =
        "The required column EMAIL is missing; the first line must name the columns, separated by commas.";
    let cases: Vec<(&[u8], Refusal<'_>)> = vec![
        (b"", (400, "file_empty", "The file is empty.")),
        (b"\xef\xbb\xbf\n\n", (400, "file_empty", "The file is empty.")),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", (400, "not_csv", "The file is a PNG image; expected CSV text.")),
        (b"PK\x03\x04....", (400, "archive_invalid", "The ZIP archive is damaged or incomplete; pack the file again.")),
        (b"USERNAME,FIRST_NM,LAST_NM\nu,f,l\n", (400, "column_missing", missing_column)),
        (
            b"EMAIL;USERNAME;FIRST_NM;LAST_NM\n",
            (400, "delimiter_suspected", "The values seem to be separated by semicolons; expected commas."),
        ),
        (
            b"EMAIL,USERNAME,FIRST_NM,LAST_NM,email \n",
            (400, "column_duplicate", "Columns 1 and 5 have the same title."),
        ),
        (&utf16, (400, "encoding_utf16", "The file is UTF-16 without a byte order mark; save it as CSV UTF-8.")),
        (
            &cp1251,
            (
                400,
                "utf8_invalid",
                "The file is not UTF-8: line 3 has an invalid byte in column 1; save it as CSV UTF-8, or declare its charset, for \
                 example Content-Type: text/csv; charset=windows-1252.",
            ),
        ),
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
            (400, "column_forbidden", "Column 5 holds passwords, which are not accepted; remove it."),
        ),
        (
            "EMAIL,USERNAME,FIRST_NM,LAST_NM,\u{202e}x\n".as_bytes(),
            (400, "header_invalid", "The title of column 5 has the invisible character U+202E."),
        ),
        (
            b"EMAIL,USERNAME,FIRST_NM,LAST_NM,,x\n",
            (400, "header_invalid", "Column 5 has no title; line 1 must be the titles, without a heading above them."),
        ),
        (&many_columns, (400, "too_many_columns", "The header has 5000 columns; at most 200 are allowed.")),
        (&long_header, (400, "header_invalid", "The title line does not end within the first 64 KiB.")),
    ];
    for (body, expected) in cases {
        assert_refused(&site, &[("content-type", "text/csv")], body.to_vec(), expected).await;
    }
    assert_nothing_stored(&site).await;
}

/// A part that holds a file and has this Content-Disposition, without its leading `form-data; `.
fn file_part(disposition: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{}\r\n", users(["a"]))
}

async fn invalid_multipart_bodies_are_refused(site: Site) {
    let no_file = "There is no part named `file`; send the CSV as the part `file` of multipart/form-data.";
    let truncated = "The multipart body cannot be read: it ends before its closing boundary.";
    let other_part = "There is more than one file; send one, as the part named `file`.";
    let too_many = "The multipart body cannot be read: it has more than 32 form fields besides the file.";
    let too_large = "The multipart body cannot be read: a form field besides the file is larger than 64 KiB.";
    let malformed = "The multipart body cannot be read: its boundary or its part headers are malformed.";
    let boundary_length = "The multipart body cannot be read: its boundary must have 1 to 70 characters.";
    let nested = "The multipart body cannot be read: a part may not be a multipart body itself.";
    let charset = "Content-Type names a charset that is not known; use a name such as utf-8 or windows-1252.";
    let with_type = |content_type: &str| file_part(&format!("name=file\r\nContent-Type: {content_type}")) + "--b--\r\n";
    let parts = |count| (0..count).map(|n| file_part(&format!("name=x{n}"))).collect::<String>();
    let file = |name: &str| file_part(&format!("name=\"{name}\""));
    let multipart = "multipart/form-data; boundary=b";
    for (content_type, body, expected) in [
        (multipart, format!("{}--b--\r\n", file("data")), (400, "file_part_missing", no_file)),
        (multipart, "--b--\r\n".to_owned(), (400, "file_part_missing", no_file)),
        (multipart, file("file"), (400, "multipart_malformed", truncated)),
        (
            multipart,
            format!("{}{}--b--\r\n", file("file"), file("file")),
            (400, "multipart_part_unexpected", other_part),
        ),
        (multipart, "x".repeat(1_000_000), (400, "file_part_missing", no_file)),
        (
            "multipart/form-data",
            file("file"),
            (400, "multipart_malformed", "The multipart body cannot be read: Content-Type has no boundary."),
        ),
        ("multipart/form-data; boundary=", file("file"), (400, "multipart_malformed", boundary_length)),
        (
            &format!("multipart/form-data; boundary={}", "b".repeat(200)),
            file("file"),
            (400, "multipart_malformed", boundary_length),
        ),
        (
            multipart,
            format!("{}--b--\r\n", file("file\"; filename=\"a.csv") + &file("other\"; filename=\"b.csv")),
            (400, "multipart_part_unexpected", other_part),
        ),
        (multipart, parts(10_000) + "--b--\r\n", (400, "multipart_malformed", too_many)),
        (multipart, file("file") + &parts(10_000), (400, "multipart_malformed", too_many)),
        (
            multipart,
            format!("{}--b--\r\n", file("file") + &file_part(&format!("name=note\r\n\r\n{}", "y".repeat(70_000)))),
            (400, "multipart_malformed", too_large),
        ),
        (multipart, file_part(&format!("name=file; x={}", "y".repeat(1 << 20))), (400, "file_part_missing", no_file)),
        (multipart, file_part("name=file; filename=\"a\r\nb\""), (400, "multipart_malformed", malformed)),
        (multipart, file_part("name=file; filename=\"a\0b\""), (400, "multipart_malformed", malformed)),
        (multipart, with_type("multipart/mixed; boundary=c"), (400, "multipart_malformed", nested)),
        (multipart, with_type("text/csv; charset=klingon"), (415, "charset_unsupported", charset)),
        (multipart, with_type("text/csv; charset=utf-7"), (415, "charset_unsupported", charset)),
    ] {
        assert_refused(&site, &[("content-type", content_type)], body.into_bytes(), expected).await;
    }
    assert_nothing_stored(&site).await;
}

async fn invalid_headers_are_refused(site: Site) {
    let content_type = |found: &str| {
        format!(
            "Content-Type must be multipart/form-data with a part `file`, text/csv or application/x-ndjson; it is {found}."
        )
    };
    let compression = "Content-Encoding must be gzip, zstd or absent.";
    let charset = "Content-Type names a charset that is not known; use a name such as utf-8 or windows-1252.";
    let repeated = |name: &str| format!("The header {name} was sent more than once.");
    let zeros = "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    let mismatch = "The body does not match the SHA-256 digest in the header; send it again.";
    let csv = ("content-type", "text/csv");
    let cases: &[(&[(&str, &str)], Refusal<'_>)] = &[
        (&[], (415, "content_type_unsupported", &content_type("absent"))),
        (&[("content-type", "")], (415, "content_type_unsupported", &content_type("absent"))),
        (&[("content-type", "text/html")], (415, "content_type_unsupported", &content_type("text/html"))),
        (&[("content-type", "application/pdf")], (415, "content_type_unsupported", &content_type("application/pdf"))),
        (
            &[("content-type", "multipart/mixed; boundary=b")],
            (415, "content_type_unsupported", &content_type("multipart/mixed")),
        ),
        (
            &[("content-type", "application/x-www-form-urlencoded")],
            (415, "content_type_unsupported", &content_type("application/x-www-form-urlencoded")),
        ),
        (&[("content-type", "text/csv; charset=klingon")], (415, "charset_unsupported", charset)),
        (&[("content-type", "text/csv;charset=\"utf-7\"")], (415, "charset_unsupported", charset)),
        (&[csv, ("content-encoding", "br")], (415, "encoding_unsupported", compression)),
        (&[csv, ("content-encoding", "gzip, gzip")], (415, "encoding_unsupported", compression)),
        (
            &[csv, ("content-encoding", "gzip"), ("content-encoding", "gzip")],
            (400, "header_repeated", &repeated("Content-Encoding")),
        ),
        (&[csv, csv], (400, "header_repeated", &repeated("Content-Type"))),
        (&[csv, ("content-digest", zeros)], (422, "digest_mismatch", mismatch)),
        (
            &[csv, ("digest", "SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
            (422, "digest_mismatch", mismatch),
        ),
        (
            &[csv, ("content-digest", "sha-256=:AAAA:")],
            (400, "digest_invalid", "The SHA-256 digest in Content-Digest is malformed; expected 32 bytes in base64."),
        ),
    ];
    for (headers, expected) in cases {
        // Larger than the part that is checked first, so that some of it has been stored when it is refused.
        assert_refused(&site, headers, users((0..5_000).map(|n| format!("user{n}"))).into_bytes(), *expected).await;
    }
    assert_nothing_stored(&site).await;
}

async fn damaged_compression_is_refused(site: Site) {
    let file = users(["a", "b"]).into_bytes();
    let compressed = compress("gzip", &file);
    let damaged = "The gzip data is corrupt.";
    for (name, body, code, reason) in [
        ("not gzip", file.clone(), "compression_invalid", damaged),
        ("no bytes", Vec::new(), "compression_invalid", damaged),
        ("truncated", compressed[..compressed.len() - 9].to_vec(), "compression_invalid", damaged),
        ("a wrong checksum", [&compressed[..compressed.len() - 8], &[0; 8]].concat(), "compression_invalid", damaged),
        ("trailing garbage", [&compressed[..], b"garbage"].concat(), "compression_invalid", damaged),
        (
            "gzip in gzip",
            compress("gzip", &compressed),
            "not_csv",
            "The file is gzip data without Content-Encoding: gzip; expected CSV text.",
        ),
    ] {
        let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
        let response = site.client.post(&headers, body.clone()).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (400, Some(code)), "{name}: {}", response.text);
        assert_eq!(response.json()["status"], format!("Status: Failed. {reason}"), "{name}");
    }
    let zstd = [("content-type", "text/csv"), ("content-encoding", "zstd")];
    assert_refused(&site, &zstd, compressed, (400, "compression_invalid", "The zstd data is corrupt.")).await;
    assert_nothing_stored(&site).await;
}

async fn a_file_over_the_size_limit_is_refused(backend: Backend) {
    let variables = vec![("MUSTER_MAX_UPLOAD_BYTES".to_owned(), "100000".to_owned())];
    let site = Site::start(MUSTER, backend, SiteOptions { variables, ..SiteOptions::default() }).await;
    let large = users((0..10_000).map(|n| format!("u{n}")));
    let expected = (413, "file_too_large", "The file is larger than 100000 bytes.");
    assert_refused(&site, &[("content-type", "text/csv")], large.clone().into_bytes(), expected).await;
    let body = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{large}\r\n--b--\r\n");
    assert_refused(&site, &[("content-type", "multipart/form-data; boundary=b")], body.into_bytes(), expected).await;
    assert_nothing_stored(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_size_limit_is_refused_embedded() {
    a_file_over_the_size_limit_is_refused(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_size_limit_is_refused_distributed() {
    a_file_over_the_size_limit_is_refused(Backend::Distributed).await;
}
