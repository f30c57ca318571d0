//! Checks of the URL, the header size and the `Host` header, before a request is routed.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Uri, Version, header};

use crate::error::ApiError;

/// The maximum size of a path with its query.
const MAX_TARGET_BYTES: usize = 8 * 1024;

/// The maximum total size of the headers. The limit in hyper applies to its buffer, which is larger.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Refuses a request whose URL or headers are too long, or that does not name exactly one host.
pub(crate) fn validate_request<B>(request: &Request<B>) -> Result<(), ApiError> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_TARGET_BYTES {
        let message = format!("The URL is longer than {MAX_TARGET_BYTES} bytes.");
        return Err(ApiError::new(StatusCode::URI_TOO_LONG, "uri_too_long", message));
    }
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if headers > MAX_HEADER_BYTES {
        let message = format!("The headers are longer than {MAX_HEADER_BYTES} bytes.");
        return Err(ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", message));
    }
    // HTTP/1.0 does not require the header.
    let may_lack_host = request.version() < Version::HTTP_11 && !request.headers().contains_key(header::HOST);
    if may_lack_host || names_one_host(request.headers(), uri) {
        return Ok(());
    }
    let message = "The request must have exactly one valid Host header.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "host_invalid", message))
}

/// RFC 9112, section 3.2: there must be one `Host` header with a valid value. An absolute URL must match it, because
/// this server is not a proxy.
fn names_one_host(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = Authority::try_from(host.as_bytes()) else { return false };
    !host.as_str().contains('@') && uri.authority().is_none_or(|authority| *authority == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, hosts: &[&str], version: Version) -> Option<u16> {
        use axum::response::IntoResponse;
        let mut request = Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let error = validate_request(&request.body(()).unwrap()).err()?;
        Some(error.into_response().status().as_u16())
    }

    #[test]
    fn a_request_must_name_one_host() {
        let eleven = Version::HTTP_11;
        for (uri, hosts, version, expected) in [
            ("/a", &["x.example"] as &[_], eleven, None),
            ("/a", &["127.0.0.1:8080"], eleven, None),
            ("/a", &["[::1]:8080"], eleven, None),
            ("http://X.example/a", &["x.example"], eleven, None),
            ("/a", &[], Version::HTTP_10, None),
            ("/a", &[], eleven, Some(400)),
            ("/a", &[""], eleven, Some(400)),
            ("/a", &["x", "x"], eleven, Some(400)),
            ("/a", &["x", "x"], Version::HTTP_10, Some(400)),
            ("/a", &["x\"><script>"], eleven, Some(400)),
            ("/a", &["user@x"], eleven, Some(400)),
            ("http://y.example/a", &["x.example"], eleven, Some(400)),
        ] {
            assert_eq!(check(uri, hosts, version), expected, "{uri} {hosts:?} {version:?}");
        }
    }

    #[test]
    fn a_long_url_or_header_is_refused() {
        let big = [&"x".repeat(64 * 1024) as &str];
        assert_eq!(check("/a", &big, Version::HTTP_11), Some(431));
        assert_eq!(check(&format!("/{}", "a".repeat(8000)), &["x"], Version::HTTP_11), None);
        assert_eq!(check(&format!("/{}", "a".repeat(8192)), &["x"], Version::HTTP_11), Some(414));
        assert_eq!(check(&format!("/a?{}", "a".repeat(8192)), &["x"], Version::HTTP_11), Some(414));
    }
}
