//! Ids in paths, repeated slashes, and the public URL.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderMap, header};
use muster_domain::JobId;

use crate::error::ApiError;

/// The id in `/bulk/v1/files/{id}`. A malformed id is treated like an unknown one: 404.
#[derive(Clone, Copy, Debug)]
pub struct IdPath(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parameters =
            RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::file_not_found())?;
        let id = parameters.iter().find(|(name, _)| *name == "id").and_then(|(_, value)| JobId::parse(value));
        let id = id.ok_or_else(ApiError::file_not_found)?;
        tracing::Span::current().record("job", tracing::field::display(id));
        Ok(Self(id))
    }
}

/// Returns the public base URL, without a trailing slash: the configured one, else one made of the `Host` header.
pub fn public_base_url(configured: Option<&str>, headers: &HeaderMap) -> String {
    if let Some(url) = configured {
        return url.to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}

/// Collapses repeated slashes in place, because a real client sends `//api/…`. A redirect would lose its body.
pub(crate) fn collapse_slashes(uri: &mut Uri) {
    if !uri.path().contains("//") {
        return;
    }
    let mut path = String::with_capacity(uri.path().len());
    for c in uri.path().chars() {
        if !(c == '/' && path.ends_with('/')) {
            path.push(c);
        }
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    if let Ok(path) = path.parse::<PathAndQuery>() {
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = Some(path);
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_slashes_are_collapsed_in_the_path_only() {
        for (before, after) in [
            ("/bulk/v1/files", "/bulk/v1/files"),
            ("//bulk///v1/files?prefix=a//b", "/bulk/v1/files?prefix=a//b"),
            ("//", "/"),
        ] {
            let mut uri: Uri = before.parse().unwrap();
            collapse_slashes(&mut uri);
            assert_eq!(uri.to_string(), after);
        }
    }
}
