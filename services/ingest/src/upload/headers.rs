//! The headers of an upload.

use std::time::Duration;

use axum::extract::Query;
use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use muster_domain::{Charset, Compression, Format, Handling, IdempotencyKey};
use muster_ports::{Idempotency, ShortRows};
use serde::Deserialize;

use super::error::UploadError;

/// How long a job holds its idempotency key.
const KEY_LIFETIME: Duration = Duration::from_hours(72);

/// The media types of files, and of an envelope with one.
const FILE_TYPES: [&str; 6] = [
    "multipart/form-data",
    "text/csv",
    "application/csv",
    "application/zip",
    "application/x-zip-compressed",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
];

/// What the headers declare about the body.
pub(crate) struct UploadHeaders {
    /// The whole `Content-Type`.
    pub(crate) content_type: String,
    /// The media type in `Content-Type`, in lower case and without parameters.
    pub(crate) media_type: String,
    pub(crate) compression: Compression,
    pub(crate) content_length: Option<u64>,
    /// The declared SHA-256 values of the body.
    pub(crate) digests: Vec<[u8; 32]>,
}

impl UploadHeaders {
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, UploadError> {
        let content_type = single(headers, "Content-Type")?.unwrap_or_default();
        let content_type = std::str::from_utf8(content_type).map_err(|_| UploadError::ContentTypeUnreadable)?;
        let compression = single(headers, "Content-Encoding")?.unwrap_or_default();
        let compression = std::str::from_utf8(compression).ok().and_then(Compression::parse);
        let length = headers.get(header::CONTENT_LENGTH);
        Ok(Self {
            content_type: content_type.to_owned(),
            media_type: content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
            compression: compression.ok_or(UploadError::ContentEncoding)?,
            content_length: length.and_then(|value| value.to_str().ok()?.parse().ok()),
            digests: [digests(headers, "Content-Digest")?, digests(headers, "Digest")?].concat(),
        })
    }

    /// Whether the body is declared as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.media_type == "application/json"
    }

    /// Whether the body is declared as one JSON object a line.
    pub(crate) fn is_json_lines(&self) -> bool {
        matches!(self.media_type.as_str(), "application/x-ndjson" | "application/ndjson" | "application/jsonl")
    }

    /// The declared format of the records. The file in an envelope is CSV.
    pub(crate) fn format(&self) -> Format {
        if self.is_json() {
            Format::Json
        } else if self.is_json_lines() {
            Format::JsonLines
        } else {
            Format::Csv
        }
    }

    /// Whether the body is declared as a file, or as an envelope with one. Its first bytes tell CSV text from an archive.
    pub(crate) fn is_file(&self) -> bool {
        FILE_TYPES.contains(&self.media_type.as_str())
    }

    /// The charset that `Content-Type` declares.
    pub(crate) fn charset(&self) -> Result<Option<Charset>, UploadError> {
        let parameters = self.content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
        let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charsets.next().map(|(_, label)| parse_charset(label)).transpose()
    }
}

/// What the query of an upload may have.
#[derive(Deserialize)]
struct UploadQuery {
    sheet: Option<String>,
}

/// The sheet of a workbook that `?sheet=` names.
pub(crate) fn sheet(uri: &Uri) -> Option<String> {
    let query = Query::<UploadQuery>::try_from_uri(uri).ok()?;
    query.0.sheet.filter(|sheet| !sheet.is_empty())
}

/// Parses the label of a charset, in quotes or not.
pub(crate) fn parse_charset(label: &str) -> Result<Charset, UploadError> {
    Charset::parse(label.trim().trim_matches('"')).ok_or(UploadError::Charset)
}

/// Returns the value of a header that must not be sent more than once.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a [u8]>, UploadError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(UploadError::HeaderRepeated(name)),
        (value, None) => Ok(value.map(axum::http::HeaderValue::as_bytes)),
    }
}

/// Returns the SHA-256 values in `Content-Digest: sha-256=:…:` (RFC 9530) or `Digest: SHA-256=…` (RFC 3230). Other
/// algorithms are ignored, as both standards require.
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

/// Returns the idempotency key of the upload, if the client sent one.
pub(crate) fn idempotency(headers: &HeaderMap) -> Result<Option<Idempotency>, UploadError> {
    Ok(idempotency_key(headers)?.map(|key| Idempotency { key, key_lifetime: KEY_LIFETIME }))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, UploadError> {
    single(headers, "Idempotency-Key")?
        .map(|value| IdempotencyKey::parse(value).ok_or(UploadError::KeyInvalid))
        .transpose()
}

/// Returns the handling that `Prefer: handling=lenient` or `strict` (RFC 7240) asks for, else that of the tenant.
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
    fn the_declared_charset_is_found() {
        for (content_type, charset) in [
            ("text/csv", Ok(None)),
            ("text/csv; charset=UTF-8", Ok(Some("utf-8"))),
            ("text/csv;header=present; Charset=\"utf8\"", Ok(Some("utf-8"))),
            ("text/csv ; charset = \"Windows-1251\"", Ok(Some("windows-1251"))),
            ("text/csv; charset=latin1", Ok(Some("windows-1252"))),
            ("text/csv; charset=klingon", Err("charset_unsupported")),
            ("text/csv; charset=", Err("charset_unsupported")),
        ] {
            let parsed = UploadHeaders::parse(&headers(&[("content-type", content_type)])).unwrap();
            let found = parsed.charset().map(|charset| charset.map(Charset::as_str));
            let found = found.as_ref().map(Option::as_deref).map_err(|_| "charset_unsupported");
            assert_eq!(found, charset, "{content_type}");
        }
    }

    #[test]
    fn digests_are_parsed_in_both_forms() {
        let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for (name, value, expected) in [
            ("content-digest", format!("sha-256=:{zeros}:"), Some(1)),
            ("content-digest", format!("sha-512=:AAAA:, SHA-256=:{zeros}:;x=1"), Some(1)),
            ("content-digest", "md5=:AAAA:".to_owned(), Some(0)),
            ("digest", format!("SHA-256={zeros}"), Some(1)),
            ("content-digest", "sha-256=:AAAA:".to_owned(), None),
            ("content-digest", "sha-256=:no base64:".to_owned(), None),
        ] {
            let found = UploadHeaders::parse(&headers(&[(name, &value)])).map(|parsed| parsed.digests.len()).ok();
            assert_eq!(found, expected, "{name}: {value}");
        }
    }

    #[test]
    fn a_repeated_header_is_refused() {
        for (name, value) in [("content-type", "text/csv"), ("content-encoding", "gzip")] {
            let twice = headers(&[(name, value), (name, value)]);
            assert!(matches!(UploadHeaders::parse(&twice), Err(UploadError::HeaderRepeated(_))), "{name}");
        }
        let keys = headers(&[("idempotency-key", "a"), ("idempotency-key", "a")]);
        assert!(matches!(idempotency_key(&keys), Err(UploadError::HeaderRepeated("Idempotency-Key"))));
    }
}
