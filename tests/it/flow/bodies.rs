//! Every form of body that is taken.

use std::io::Write;
use std::process::{Command, Stdio};

use muster_testkit::{Client, Site};

use super::{counts, on_both, users};

on_both!(
    the_seed_multipart_is_taken_as_printed,
    a_multipart_from_curl_is_taken,
    file_names_are_only_names,
    bodies_that_say_their_digest_are_taken,
    compressed_bodies_are_taken,
    odd_texts_are_taken,
    double_slashes_and_a_prefix_are_tolerated,
);

async fn finish(client: &Client, answer: muster_testkit::Answer) -> [u64; 5] {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let url = answer.json()["status_url"].as_str().unwrap().to_owned();
    counts(&client.finished(&url[url.find("/bulk").unwrap()..]).await)
}

/// The boundary is unquoted, and so is `name=file`; the part has no file name.
async fn the_seed_multipart_is_taken_as_printed(site: Site) {
    let body = include_bytes!("../../fixtures/spigit-good.multipart").to_vec();
    let kind = "multipart/form-data; boundary=6o2knFse3p53ty9dmcQvWAIx1zInP11uCfbm";
    let answer = site.client.post(&[("content-type", kind)], body.clone()).await;
    assert_eq!(answer.headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(finish(&site.client, answer).await, [4, 4, 0, 0, 0]);
    let packed = pack("gzip", &body);
    let headers = [("content-type", kind), ("content-encoding", "gzip")];
    let answer = site.client.post(&headers, packed).await;
    assert_eq!(finish(&site.client, answer).await, [4, 0, 0, 4, 0], "a compressed envelope");
}

async fn a_multipart_from_curl_is_taken(site: Site) {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.csv\";\r\n\
         Content-Type: application/octet-stream\r\n\r\n{}\r\n--b--\r\n",
        users(["a", "b"])
    );
    let answer = site.client.post(&[("content-type", "multipart/form-data; boundary=\"b\"")], body).await;
    assert_eq!(finish(&site.client, answer).await, [2, 2, 0, 0, 0]);
}

/// Nothing of what a client calls its file becomes part of a path or of an answer.
async fn file_names_are_only_names(site: Site) {
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
        let answer = site.client.post(&[("content-type", "multipart/form-data; boundary=b")], body).await;
        assert!(!answer.text.contains("passwd"));
        assert_eq!(finish(&site.client, answer).await, [1, 1, 0, 0, 0], "{name:?}");
    }
    let plain =
        |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().bytes().all(|b| b.is_ascii_hexdigit());
    assert!(site.stored_files().iter().all(|path| plain(path)), "{:?}", site.stored_files());
}

async fn bodies_that_say_their_digest_are_taken(site: Site) {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let digest = |body: &[u8]| BASE64_STANDARD.encode(muster_http::token_sha256(body));
    let file = users(["a"]);
    let envelope = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{file}\r\n--b--\r\nepilogue");
    let (csv, form) = ("text/csv", "multipart/form-data; boundary=b");
    let packed = pack("gzip", file.as_bytes());
    let packed_envelope = pack("gzip", envelope.as_bytes());
    for (kind, encoding, body) in [
        (csv, "identity", file.as_bytes()),
        (csv, "gzip", &packed),
        (form, "identity", envelope.as_bytes()),
        (form, "gzip", &packed_envelope),
    ] {
        let content = format!("sha-512=:AAAA:, sha-256=:{}:", digest(body));
        let older = format!("SHA-256={}", digest(body));
        let headers =
            [("content-type", kind), ("content-encoding", encoding), ("content-digest", &content), ("digest", &older)];
        let answer = site.client.post(&headers, body).await;
        assert_eq!(finish(&site.client, answer).await[0], 1, "{kind}, {encoding}");
        let mut altered = body.to_vec();
        let last = altered.len() - if kind == form { 4 } else { 2 };
        altered[last] ^= 1;
        let answer = site.client.post(&headers, altered).await;
        assert!(answer.status == 422 || encoding == "gzip" && answer.status == 400, "{kind}: {}", answer.text);
    }
    assert_eq!(site.stored_uploads(), 4);
}

async fn compressed_bodies_are_taken(site: Site) {
    let names: Vec<String> = (0..3000).map(|n| format!("user{n}")).collect();
    let text = users(&names);
    for (encoding, body) in [
        ("gzip", pack("gzip", text.as_bytes())),
        ("zstd", pack("zstd", text.as_bytes())),
        // Two members, as `cat a.gz b.gz` makes them.
        ("gzip", [pack("gzip", &text.as_bytes()[..50_000]), pack("gzip", &text.as_bytes()[50_000..])].concat()),
    ] {
        let path = site.client.upload_with(&[("content-encoding", encoding)], body).await;
        let status = site.client.finished(&path).await;
        assert_eq!(status["total_users"], 3000, "{encoding}: {status}");
        assert_eq!(status["failed_users"], 0);
    }
    // Cut within what is looked at before the answer: refused. Cut behind it: the job says so.
    let headers = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    let cut = &pack("gzip", text.as_bytes())[..5_000];
    assert_eq!(site.client.post(&headers, cut).await.json()["code"], "compression_invalid");
    let hard_to_pack = users((0..20_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))));
    let mut cut = pack("gzip", hard_to_pack.as_bytes());
    cut.truncate(cut.len() / 2);
    assert!(cut.len() > 64 * 1024);
    let path = site.client.upload_with(&[("content-encoding", "gzip")], cut).await;
    let status = site.client.finished(&path).await;
    assert_eq!(status["status"], "FAILED");
    assert!(
        status["error_message"].as_str().unwrap().contains("the compressed data are damaged or end early"),
        "{status}"
    );
}

/// A byte order mark, CRLF, lone CR, blank lines, no final line end, a line end inside quotes.
async fn odd_texts_are_taken(site: Site) {
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
        assert_eq!(counts(&status), [2, 1, 0, 0, 1], "{text:?}: {status}");
        let line = [3, 3, 4, 8][number];
        let message = format!("Line {line}: expected 4 values, found 1");
        assert_eq!(status["error_message"], message.as_str(), "{text:?}");
    }
}

async fn double_slashes_and_a_prefix_are_tolerated(site: Site) {
    let headers = [("content-type", "text/csv")];
    let body = users(["a"]).into_bytes();
    let answer = site.client.send(reqwest::Method::POST, "//bulk//v1/files?prefix=x", &headers, body).await;
    assert_eq!(finish(&site.client, answer).await, [1, 1, 0, 0, 0]);
}

/// Compresses by the program of this name.
pub(super) fn pack(program: &str, text: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-qc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip and zstd are installed");
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&text).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    output.stdout
}
