//! The forms of upload body that are accepted.

use std::io::Write;
use std::process::{Command, Stdio};

use muster_testkit::{Client, Response, Site};
use reqwest::Method;

use crate::flow::expected::{RowCounts, Status, created, unchanged};
use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(
    the_published_multipart_sample_is_accepted,
    a_multipart_body_from_curl_is_accepted,
    file_names_affect_neither_paths_nor_responses,
    bodies_with_a_matching_digest_are_accepted,
    compressed_bodies_are_accepted,
    compressed_bodies_are_stored_compressed,
    unusual_text_formats_are_accepted,
    envelopes_of_many_programs_are_accepted,
    a_compressed_file_in_a_part_is_unpacked,
    one_json_object_a_line_is_accepted,
    double_slashes_and_a_prefix_parameter_are_accepted,
);

/// Waits for the job of an accepted upload and returns its row counts.
async fn final_counts(client: &Client, response: Response) -> RowCounts {
    assert_eq!(response.status, 202, "{}", response.text);
    let url = response.json()["status_url"].as_str().unwrap().to_owned();
    client.wait_until_final(&url[url.find("/bulk").unwrap()..]).await.counts()
}

/// Its boundary and its `name=file` are unquoted, and the part has no file name.
async fn the_published_multipart_sample_is_accepted(site: Site) {
    let body = include_bytes!("../../../fixtures/spigit-good.multipart").to_vec();
    let kind = "multipart/form-data; boundary=6o2knFse3p53ty9dmcQvWAIx1zInP11uCfbm";
    let response = site.client.post(&[("content-type", kind)], body.clone()).await;
    assert_eq!(response.headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(final_counts(&site.client, response).await, created(4));
    let compressed = compress("gzip", &body);
    let headers = [("content-type", kind), ("content-encoding", "gzip")];
    let response = site.client.post(&headers, compressed).await;
    assert_eq!(final_counts(&site.client, response).await, unchanged(4), "a compressed multipart body");
}

async fn a_multipart_body_from_curl_is_accepted(site: Site) {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\";\r\n\
         Content-Type: application/octet-stream\r\n\r\n{}\r\n--b--\r\n",
        users(["a", "b"])
    );
    let response = site.client.post(&[("content-type", "multipart/form-data; boundary=\"b\"")], body).await;
    assert_eq!(final_counts(&site.client, response).await, created(2));
}

async fn file_names_affect_neither_paths_nor_responses(site: Site) {
    let long = "x".repeat(5_000);
    for (number, name) in [
        "../../../etc/passwd",
        "/etc/passwd",
        "..\\..\\x",
        "CON",
        ".htaccess",
        "a%0d%0ab",
        "\u{202e}vsc.exe",
        "",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{}\r\n--b--\r\n",
            users([format!("user{number}")])
        );
        let response = site.client.post(&[("content-type", "multipart/form-data; boundary=b")], body).await;
        assert!(!response.text.contains("passwd"));
        assert_eq!(final_counts(&site.client, response).await, created(1), "{name:?}");
    }
    let is_generated =
        |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().bytes().all(|b| b.is_ascii_hexdigit());
    assert!(site.stored_files().iter().all(|path| is_generated(path)), "{:?}", site.stored_files());
}

/// A body may be compressed; its digest then covers the compressed bytes.
async fn bodies_with_a_matching_digest_are_accepted(site: Site) {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let digest = |body: &[u8]| BASE64_STANDARD.encode(muster_http::token_sha256(body));
    let file = users(["a"]);
    let envelope = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{file}\r\n--b--\r\nepilogue");
    let (csv, form) = ("text/csv", "multipart/form-data; boundary=b");
    let compressed = compress("gzip", file.as_bytes());
    let compressed_envelope = compress("gzip", envelope.as_bytes());
    for (content_type, compression, body) in [
        (csv, "identity", file.as_bytes()),
        (csv, "gzip", &compressed),
        (form, "identity", envelope.as_bytes()),
        (form, "gzip", &compressed_envelope),
    ] {
        let content_digest = format!("sha-512=:AAAA:, sha-256=:{}:", digest(body));
        let legacy_digest = format!("SHA-256={}", digest(body));
        let headers = [
            ("content-type", content_type),
            ("content-encoding", compression),
            ("content-digest", &content_digest),
            ("digest", &legacy_digest),
        ];
        let response = site.client.post(&headers, body).await;
        assert_eq!(final_counts(&site.client, response).await.total, 1, "{content_type}, {compression}");
        let mut altered = body.to_vec();
        let position = altered.len() - if content_type == form { 4 } else { 2 };
        altered[position] ^= 1;
        let response = site.client.post(&headers, altered).await;
        let is_refused = response.status == 422 || compression == "gzip" && response.status == 400;
        assert!(is_refused, "{content_type}: {}", response.text);
    }
    assert_eq!(site.count_stored_uploads(), 4);
}

async fn compressed_bodies_are_accepted(site: Site) {
    let names: Vec<String> = (0..3000).map(|n| format!("user{n}")).collect();
    let text = users(&names);
    for (compression, body) in [
        ("gzip", compress("gzip", text.as_bytes())),
        ("zstd", compress("zstd", text.as_bytes())),
        // Two gzip members, as from `cat a.gz b.gz`.
        ("gzip", [compress("gzip", &text.as_bytes()[..50_000]), compress("gzip", &text.as_bytes()[50_000..])].concat()),
    ] {
        let path = site.client.upload_with(&[("content-encoding", compression)], body).await;
        let status = site.client.wait_until_final(&path).await;
        assert_eq!(status["total_users"], 3000, "{compression}: {status}");
        assert_eq!(status["failed_users"], 0);
    }
    // Truncated within the first 64 KiB, the upload is refused. Truncated later, its job fails.
    let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let truncated = &compress("gzip", text.as_bytes())[..5_000];
    assert_eq!(site.client.post(&headers, truncated).await.json()["code"], "compression_invalid");
    let incompressible = users((0..20_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))));
    let mut truncated = compress("gzip", incompressible.as_bytes());
    truncated.truncate(truncated.len() / 2);
    assert!(truncated.len() > 64 * 1024);
    let path = site.client.upload_with(&[("content-encoding", "gzip")], truncated).await;
    let status = site.client.wait_until_final(&path).await;
    assert_eq!(status["status"], "FAILED");
    assert!(
        status["error_message"].as_str().unwrap().contains("the compressed data is corrupt or truncated"),
        "{status}"
    );
}

/// Also those that are decompressed before they are stored: a multipart envelope, and a file that is inspected as a whole.
async fn compressed_bodies_are_stored_compressed(site: Site) {
    let names: Vec<String> = (0..20_000).map(|n| format!("user{n}")).collect();
    let text = users(&names);
    let part = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{text}\r\n--b--\r\n");
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let response = site.client.post(&[kind, ("content-encoding", "gzip")], compress("gzip", part.as_bytes())).await;
    assert_eq!(final_counts(&site.client, response).await, created(20_000));

    let rows = (0..20_000).map(|n| format!("u{n};Last;First;;login{n};u{n}@x.example\n"));
    let file = format!("ID;Last name;First name;Middle name;Login;Email\n{}", rows.collect::<String>());
    let headers = [("content-type", "text/csv"), ("content-encoding", "zstd"), ("prefer", "respond-async")];
    let body = compress("zstd", file.as_bytes());
    let response = site.client.send(Method::POST, "/api/v2/users-import/csv", &headers, body).await;
    assert_eq!(final_counts(&site.client, response).await, created(20_000));

    let stored = site.stored_files();
    assert_eq!(stored.len(), 2);
    let bytes: u64 = stored.iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes * 3 < (text.len() + file.len()) as u64, "{bytes} of {} bytes", text.len() + file.len());
}

/// A byte order mark, CRLF, a lone CR, blank lines, no final line end, a line end inside quotes.
async fn unusual_text_formats_are_accepted(site: Site) {
    for (number, text) in [
        "\u{feff}EMAIL,USERNAME,FIRST_NM,LAST_NM\r\nK@x,K,F,L\r\nbroken\r\n",
        "EMAIL,USERNAME,FIRST_NM,LAST_NM\rK@x,K,F,L\rbroken",
        "EMAIL,USERNAME,FIRST_NM,LAST_NM\nK@x,K,\"F\nG\",L\nbroken",
        "\nEMAIL,USERNAME,FIRST_NM,LAST_NM\n\n  \nK@x,K,F,L\n\n\nbroken\n\n",
    ]
    .into_iter()
    .enumerate()
    {
        let status = site.client.import(text.replace('K', &format!("k{number}"))).await;
        assert_eq!(status.counts(), created(1).failed(1), "{text:?}: {status}");
        let line = [3, 3, 4, 8][number];
        let message = format!(
            "Line {line}: expected 4 values, found 1; with Prefer: handling=lenient, missing values at the end are taken as empty"
        );
        assert_eq!(status["error_message"], message.as_str(), "{text:?}");
    }
}

/// Other form fields around the file, line feeds alone, white space around the separators of parameters, and a declared
/// compression of the file instead of the body.
async fn envelopes_of_many_programs_are_accepted(site: Site) {
    let field = |name: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\nsome text\r\n");
    let file = |user: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{}\r\n", users([user]))
    };
    for (number, (content_type, compression, body)) in [
        ("multipart/form-data; boundary=b", None, field("note") + &file("k0") + "--b--\r\n"),
        ("multipart/form-data; boundary=b", None, file("k1") + &field("note") + &field("more") + "--b--\r\n"),
        ("multipart/form-data; boundary=b", None, (file("k2") + "--b--\r\n").replace("\r\n", "\n")),
        ("multipart/form-data ; boundary=b ; charset=utf-8", None, file("k3") + "--b--\r\n"),
        ("multipart/form-data; boundary=b", Some("gzip"), file("k4") + "--b--\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let headers: Vec<(&str, &str)> =
            [("content-type", content_type)].into_iter().chain(compression.map(|c| ("content-encoding", c))).collect();
        let response = site.client.post(&headers, body).await;
        assert_eq!(final_counts(&site.client, response).await, created(1), "{number}");
        assert_eq!(site.client.user(&format!("k{number}")).await["last_name"], "Last", "{number}");
    }
}

async fn a_compressed_file_in_a_part_is_unpacked(site: Site) {
    let kind = ("content-type", "multipart/form-data; boundary=b");
    for compression in ["gzip", "zstd"] {
        let part = |name: &str, file: &[u8]| {
            let head = format!("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
            [head.as_bytes(), file, b"\r\n--b--\r\n"].concat()
        };
        let names: Vec<String> = (0..5_000).map(|n| format!("{compression}{n}")).collect();
        let body = part("users.csv.gz", &compress(compression, users(&names).as_bytes()));
        let response = site.client.post(&[kind], body).await;
        assert_eq!(final_counts(&site.client, response).await, created(5_000), "{compression}");

        let rows = (0..5_000).map(|n| format!("{compression}-{n};Last;First;;login-{compression}-{n}\n"));
        let file = format!("ID;Last name;First name;Middle name;Login\n{}", rows.collect::<String>());
        let body = part("users.csv.gz", &compress(compression, file.as_bytes()));
        let headers = [kind, ("prefer", "respond-async")];
        let response = site.client.send(Method::POST, "/api/v2/users-import/csv", &headers, body).await;
        assert_eq!(final_counts(&site.client, response).await, created(5_000), "{compression}");
    }
}

async fn one_json_object_a_line_is_accepted(site: Site) {
    let kind = ("content-type", "application/x-ndjson");
    let user = |name: &str, more: &str| {
        format!(r#"{{"email":"{name}@x.example","Username":"{name}","FIRST_NM":"First","LAST_NM":"Last"{more}}}"#)
    };
    let lines = [
        user("a", r#","badge":7,"Work City":"Bonn""#),
        "{".to_owned(),
        String::new(),
        user("b", ""),
        user("A", r#","badge":"""#),
    ];
    let path = site.client.upload_with(&[kind], lines.join("\n")).await;
    let status = site.client.wait_until_final(&path).await;
    assert_eq!(status.counts(), created(2).updated(1).failed(1), "{status}");
    assert_eq!(status["blank_rows"], 1);
    assert_eq!(status["error_message"], "Line 2: is not valid JSON; expected one object a line");
    let meant = &status["kept_as_attributes"];
    assert_eq!((&meant[1]["title"], &meant[1]["did_you_mean"]), (&"Work City".into(), &"WORK_CITY".into()), "{status}");
    assert_eq!(site.client.user("a").await["attributes"], serde_json::json!({"Work City": "Bonn"}));
    let refused = site.client.post(&[kind], "EMAIL,USERNAME\n").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("json_invalid")), "{}", refused.text);

    let object =
        |uid: &str| format!(r#"{{"uid":"{uid}","secondname":"L","firstname":"F","login":"{uid}","Phone":"1"}}"#);
    let body = [object("x"), "broken".to_owned(), object("y")].join("\r\n").into_bytes();
    let response = site.client.send(Method::POST, "/api/v2/users-import/batch", &[kind], body).await;
    let reply = response.json();
    assert_eq!((&reply["created_count"], &reply["failed_count"]), (&2.into(), &1.into()), "{reply}");
    assert_eq!(reply["errors"][0]["line"], 2);
    assert_eq!(reply["ignored"], serde_json::json!([{"key": "Phone", "did_you_mean": "phone"}]));
}

async fn double_slashes_and_a_prefix_parameter_are_accepted(site: Site) {
    let headers = [("content-type", "text/csv")];
    let body = users(["a"]).into_bytes();
    let response = site.client.send(reqwest::Method::POST, "//bulk//v1/files?prefix=x", &headers, body).await;
    assert_eq!(final_counts(&site.client, response).await, created(1));
}

/// Compresses text with the program of this name.
pub(super) fn compress(program: &str, text: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-qc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip and zstd must be installed");
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&text).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    output.stdout
}
