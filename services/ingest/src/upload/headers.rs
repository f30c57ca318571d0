//! What the headers of an upload say.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use muster_domain::{Handling, IdempotencyKey};
use muster_ports::{Idempotency, ShortRows};

use super::{Encoding, UploadError};

/// How long an idempotency key belongs to the job that was accepted under it.
const KEYS_KEPT: Duration = Duration::from_hours(72);

/// What an upload claims to be.
pub(crate) struct Claims {
    /// The whole `Content-Type`.
    pub(crate) content_type: String,
    /// Its first word, in lower case.
    pub(crate) media_type: String,
    pub(crate) encoding: Encoding,
    /// The length of the body, if it was said.
    pub(crate) bytes: Option<u64>,
    /// What the SHA-256 of the body is said to be.
    pub(crate) digests: Vec<[u8; 32]>,
}

impl Claims {
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, UploadError> {
        let content_type = single(headers, "Content-Type")?.unwrap_or_default();
        let content_type = std::str::from_utf8(content_type).map_err(|_| UploadError::ContentType)?;
        let encoding = single(headers, "Content-Encoding")?.unwrap_or_default();
        let encoding = std::str::from_utf8(encoding).ok().and_then(Encoding::parse);
        let length = headers.get(header::CONTENT_LENGTH);
        Ok(Self {
            content_type: content_type.to_owned(),
            media_type: content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
            encoding: encoding.ok_or(UploadError::ContentEncoding)?,
            bytes: length.and_then(|value| value.to_str().ok()?.parse().ok()),
            digests: [digests(headers, "Content-Digest")?, digests(headers, "Digest")?].concat(),
        })
    }

    /// Whether the body is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.media_type == "application/json"
    }

    /// Whether the file is said to be something else than UTF-8.
    pub(crate) fn names_other_charset(&self) -> bool {
        let parameters = self.content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
        parameters
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
            .any(|(_, charset)| !is_utf8(charset.trim().trim_matches('"')))
    }
}

/// Whether text in a charset of this name can be read as UTF-8.
pub(crate) fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|name| charset.eq_ignore_ascii_case(name))
}

/// The value of a header that may be sent once.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, UploadError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(UploadError::HeaderRepeated(name)),
        (value, None) => Ok(value.map(axum::http::HeaderValue::as_bytes)),
    }
}

/// The SHA-256 values in `Content-Digest: sha-256=:…:` (RFC 9530) or `Digest: SHA-256=…` (RFC 3230).
/// Other algorithms are left alone, as both ask.
fn digests(headers: &HeaderMap, name: &'static str) -> Result<Vec<[u8; 32]>, UploadError> {
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| UploadError::DigestInvalid(name))?;
        for (algorithm, digest) in value.split(',').filter_map(|member| member.split_once('=')) {
            if algorithm.trim().eq_ignore_ascii_case("sha-256") {
                let digest = digest.split(';').next().unwrap_or_default().trim().trim_matches(':');
                let bytes = BASE64_STANDARD.decode(digest).ok().and_then(|bytes| bytes.try_into().ok());
                found.push(bytes.ok_or(UploadError::DigestInvalid(name))?);
            }
        }
    }
    Ok(found)
}

/// The name that the client gives to the upload, and how long it is kept.
pub(crate) fn idempotency(headers: &HeaderMap) -> Result<Option<Idempotency>, UploadError> {
    Ok(idempotency_key(headers)?.map(|key| Idempotency { key, kept: KEYS_KEPT }))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, UploadError> {
    single(headers, "Idempotency-Key")?
        .map(|value| IdempotencyKey::parse(value).ok_or(UploadError::KeyInvalid))
        .transpose()
}

/// `Prefer: handling=lenient` or `strict` (RFC 7240); otherwise as the tenant has it.
pub(crate) fn handling(headers: &HeaderMap, short_rows: ShortRows) -> Handling {
    let preferred = headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| Handling::parse(preference.trim().strip_prefix("handling=")?.trim_matches('"')));
    preferred.unwrap_or(match short_rows {
        ShortRows::Fail => Handling::Strict,
        ShortRows::Pad => Handling::Lenient,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn charsets_other_than_utf8_are_noticed() {
        for (content_type, other) in [
            ("text/csv", false),
            ("text/csv; charset=UTF-8", false),
            ("text/csv;header=present; Charset=\"utf8\"", false),
            ("text/csv; charset=us-ascii", false),
            ("text/csv; charset=utf-16", true),
            ("text/csv; charset = \"Windows-1251\"", true),
            ("text/csv; charset=", true),
        ] {
            let claims = Claims::read(&headers(&[("content-type", content_type)])).unwrap();
            assert_eq!(claims.names_other_charset(), other, "{content_type}");
        }
    }

    #[test]
    fn digests_are_read_in_both_forms() {
        let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for (name, value, expected) in [
            ("content-digest", format!("sha-256=:{zeros}:"), Some(1)),
            ("content-digest", format!("sha-512=:AAAA:, SHA-256=:{zeros}:;x=1"), Some(1)),
            ("content-digest", "md5=:AAAA:".to_owned(), Some(0)),
            ("digest", format!("SHA-256={zeros}"), Some(1)),
            ("content-digest", "sha-256=:AAAA:".to_owned(), None),
            ("content-digest", "sha-256=:no base64:".to_owned(), None),
        ] {
            let found = Claims::read(&headers(&[(name, &value)])).map(|claims| claims.digests.len()).ok();
            assert_eq!(found, expected, "{name}: {value}");
        }
    }

    #[test]
    fn headers_that_contradict_each_other_are_refused() {
        for (name, value) in [("content-type", "text/csv"), ("content-encoding", "gzip")] {
            let twice = headers(&[(name, value), (name, value)]);
            assert!(matches!(Claims::read(&twice), Err(UploadError::HeaderRepeated(_))), "{name}");
        }
        let keys = headers(&[("idempotency-key", "a"), ("idempotency-key", "a")]);
        assert!(matches!(idempotency_key(&keys), Err(UploadError::HeaderRepeated("Idempotency-Key"))));
    }
}
