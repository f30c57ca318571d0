//! Parts of requests: tokens, paths, queries, the header `Prefer`, and the start of compressed bodies.

#![no_main]

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use libfuzzer_sys::fuzz_target;
use muster_domain::Handling;
use muster_domain::sniff::HEAD_BYTES;
use muster_fuzz::{controls, pieces};

fn token(content: &[u8]) {
    let mut headers = HeaderMap::new();
    for value in content.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.append(header::AUTHORIZATION, value);
    }
    let Ok(token) = muster_http::internals::bearer(&headers) else { return };
    assert_eq!(headers.get_all(header::AUTHORIZATION).iter().count(), 1);
    assert!(!token.is_empty() && !token.contains(&b' '));
    assert!(content.len() > 7 && content[7..].windows(token.len()).any(|window| window == token));
    assert!(content[..7].eq_ignore_ascii_case(b"bearer "));
}

fn path(content: &[u8]) {
    let Ok(uri) = std::str::from_utf8(content).unwrap_or_default().parse::<Uri>() else { return };
    let mut collapsed = uri.clone();
    muster_http::internals::collapse_slashes(&mut collapsed);
    assert!(!collapsed.path().contains("//"));
    assert_eq!(collapsed.query(), uri.query());
    assert_eq!((collapsed.scheme(), collapsed.authority()), (uri.scheme(), uri.authority()));
    assert_eq!(collapsed.path().replace('/', ""), uri.path().replace('/', ""), "only slashes are removed");
    let mut again = collapsed.clone();
    muster_http::internals::collapse_slashes(&mut again);
    assert_eq!(again, collapsed);
}

fn query(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    if let Some(limit) = muster_status::internals::limit(Some(text), 50, 200) {
        assert!((1..=200).contains(&limit));
        assert_eq!(text.trim_start_matches(['+', '0']).parse(), Ok(limit));
    }
    if let Ok(uri) = format!("/bulk/v1/files?{text}").parse::<Uri>()
        && let Some(filter) = muster_status::internals::list_filter(&uri)
    {
        assert!((1..=200).contains(&filter.limit));
        assert!(filter.before_id.is_none_or(|job| job.0 > 0));
    }
}

fn preference(content: &[u8], pads: bool) {
    let mut headers = HeaderMap::new();
    for value in content.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.append("prefer", value);
    }
    let found = muster_ingest::internals::handling(&headers, pads);
    let default = if pads { Handling::Lenient } else { Handling::Strict };
    let text = content.to_ascii_lowercase();
    let mentions = |what: &[u8]| text.windows(what.len()).any(|window| window == what);
    if !(mentions(b"handling") && (mentions(b"lenient") || mentions(b"strict"))) {
        assert_eq!(found, default, "the default applies without a preference");
    }
    match content {
        b"handling=lenient" => assert_eq!(found, Handling::Lenient),
        b"handling=strict" => assert_eq!(found, Handling::Strict),
        _ => {}
    }
}

fn head(content: &[u8], seed: u8) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let decode = |compression, head: &[u8], complete| {
        let decoded = runtime.block_on(muster_ingest::internals::decode_head(compression, head, complete));
        assert!(decoded.as_ref().is_none_or(|decoded| decoded.len() <= HEAD_BYTES));
        decoded
    };
    for compression in ["gzip", "zstd"] {
        decode(compression, content, false);
        decode(compression, content, true);
    }
    assert_eq!(decode("identity", content, true).as_deref(), Some(&content[..content.len().min(HEAD_BYTES)]));
    // Several frames in sequence, complete and truncated.
    let mut packed = Vec::new();
    for piece in pieces(content, seed) {
        packed.extend(zstd::bulk::compress(piece, 1).expect("memory can be compressed"));
    }
    if !content.is_empty() {
        assert_eq!(decode("zstd", &packed, true).as_deref(), Some(content), "all frames are decoded");
        let part = &packed[..packed.len() - 1 - usize::from(seed) % packed.len()];
        let known = decode("zstd", part, false).expect("a truncated body is no error before its end");
        assert!(content.starts_with(&known));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([mode, seed], content)) = controls(data) else { return };
    match mode.wrapping_sub(b'0') % 5 {
        0 => token(content),
        1 => path(content),
        2 => query(content),
        3 => preference(content, seed % 2 == 0),
        _ => head(content, seed),
    }
});
