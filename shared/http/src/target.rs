//! Which requests are for this server at all.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Uri, Version, header};

use crate::error::ApiError;

/// Bytes of a path and its query at most.
const ADDRESS_BYTES: usize = 8 * 1024;

/// Bytes of the headers at most. hyper's own limit is on what it buffers, which is more.
const HEADER_BYTES: usize = 64 * 1024;

/// Refuses heads that are too long, and requests that do not say, or say twice, which host they
/// are for.
pub(crate) fn check_target<B>(request: &Request<B>) -> Result<(), ApiError> {
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > ADDRESS_BYTES {
        let message = format!("The address is longer than {ADDRESS_BYTES} bytes.");
        return Err(ApiError::new(StatusCode::URI_TOO_LONG, "uri_too_long", message));
    }
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if headers > HEADER_BYTES {
        let message = format!("The headers are longer than {HEADER_BYTES} bytes.");
        return Err(ApiError::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", message));
    }
    // Older clients need not name a host.
    let may_lack_host = request.version() < Version::HTTP_11 && !request.headers().contains_key(header::HOST);
    if may_lack_host || names_one_host(request.headers(), uri) {
        return Ok(());
    }
    let message = "The request must name one host, by the header Host.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "host_invalid", message))
}

/// RFC 9112, 3.2: one `Host` header with a valid value; an absolute address must agree with it, as
/// this is no proxy.
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
        let error = check_target(&request.body(()).unwrap()).err()?;
        Some(error.into_response().status().as_u16())
    }

    #[test]
    fn a_request_names_one_host() {
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
    fn long_heads_are_refused() {
        let big = [&"x".repeat(64 * 1024) as &str];
        assert_eq!(check("/a", &big, Version::HTTP_11), Some(431));
        assert_eq!(check(&format!("/{}", "a".repeat(8000)), &["x"], Version::HTTP_11), None);
        assert_eq!(check(&format!("/{}", "a".repeat(8192)), &["x"], Version::HTTP_11), Some(414));
        assert_eq!(check(&format!("/a?{}", "a".repeat(8192)), &["x"], Version::HTTP_11), Some(414));
    }
}
