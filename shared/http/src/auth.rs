//! Authentication by `Authorization: Bearer` or `X-Cbr-Authorization: Bearer`.
//!
//! The tokens of the Spigit sample contain `$`, which RFC 6750 does not allow. So the syntax of a token is not checked,
//! only that there is one header with one token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use muster_domain::TenantId;
use muster_ports::{Grant, Scope, TenantSettings, Tenants};
use muster_runtime::SingleFlight;

use crate::client::Client;
use crate::error::ApiError;
use crate::token::token_sha256;
use crate::wrong_tokens::WrongTokens;

/// The header that clients of the Collaborator API use.
const VENDOR_HEADER: &str = "x-cbr-authorization";

/// How long a caller waits for the lookup of its token.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Shared lookups of grants, by the SHA-256 of the token.
type GrantLookups = SingleFlight<[u8; 32], Result<Option<Grant>, ApiError>>;

/// Looks tokens up. Concurrent requests with the same token share one lookup; a request that arrives after a token was
/// revoked never sees the earlier result. Part of the state of every service.
#[derive(Clone)]
pub struct Authorize {
    tenants: Arc<dyn Tenants>,
    lookups: Arc<GrantLookups>,
    wrong_tokens: Arc<WrongTokens>,
}

impl Authorize {
    /// Looks tokens up in this store.
    pub fn new(tenants: Arc<dyn Tenants>) -> Self {
        Self { tenants, lookups: Arc::default(), wrong_tokens: Arc::default() }
    }

    async fn find_grant(&self, sha256: [u8; 32]) -> Result<Option<Grant>, ApiError> {
        let lookup = || async { Ok(self.tenants.find_grant(&sha256).await?) };
        // The timeout also covers the time spent waiting for a shared lookup.
        let found = tokio::time::timeout(LOOKUP_TIMEOUT, self.lookups.ask(sha256, lookup)).await;
        found.unwrap_or_else(|_| {
            Err(ApiError::unavailable("database_unavailable", "The database is not available; try again."))
        })
    }
}

/// An authenticated caller. The extractor rejects every other request with 401.
#[derive(Clone, Debug)]
pub struct Caller {
    grant: Grant,
}

impl Caller {
    /// The tenant that owns the token.
    pub fn tenant(&self) -> TenantId {
        self.grant.tenant
    }

    /// The settings of the tenant.
    pub fn settings(&self) -> &TenantSettings {
        &self.grant.settings
    }

    /// Returns 403 if the token does not have the scope.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.grant.scopes.contains(&scope) {
            return Ok(());
        }
        let message = format!("The token does not have the scope {}.", scope.as_str());
        Err(ApiError::new(StatusCode::FORBIDDEN, "scope_missing", message))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    Authorize: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let sha256 = token_sha256(bearer(&parts.headers, parts.uri.query())?);
        let authorize = Authorize::from_ref(state);
        if let Some(grant) = authorize.find_grant(sha256).await? {
            tracing::Span::current().record("tenant", tracing::field::display(grant.tenant));
            return Ok(Self { grant });
        }
        let address = Client::of(parts).address;
        authorize.wrong_tokens.record(address).await;
        Err(unauthorized("auth_invalid", "The token is not valid."))
    }
}

pub(crate) fn bearer<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<&'a [u8], ApiError> {
    // If both headers are sent, the vendor's header wins.
    let vendor = headers.get_all(VENDOR_HEADER);
    let values = if vendor.iter().next().is_some() { vendor } else { headers.get_all(header::AUTHORIZATION) };
    let mut values = values.iter();
    let Some(value) = values.next() else {
        // URLs end up in logs and browser histories.
        let message = if query.is_some_and(|query| query.contains("access_token")) {
            "Tokens in the URL are not accepted: send the header `Authorization: Bearer <token>`."
        } else {
            "A token is required: send the header `Authorization: Bearer <token>`."
        };
        return Err(unauthorized("auth_missing", message));
    };
    if values.next().is_some() {
        let message = "The header Authorization was sent more than once.";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "header_repeated", message));
    }
    let value = value.as_bytes();
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => b"",
    };
    if token.is_empty() || token.contains(&b' ') {
        return Err(unauthorized("auth_scheme", "The header Authorization must be `Bearer <token>`."));
    }
    Ok(token)
}

fn unauthorized(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, message)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use axum::response::IntoResponse;

    fn token_of(values: &[&[u8]]) -> Result<Vec<u8>, u16> {
        let mut request = Request::builder();
        for value in values {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        bearer(&parts.headers, None).map(<[u8]>::to_vec).map_err(|error| error.into_response().status().as_u16())
    }

    #[test]
    fn a_token_is_opaque() {
        let seed = b"Bearer $2a$10$./KN8pb6Yp8w9ijv.Y1CXO4Bc7V.kcSlbJwjOrW5.7nf4waRjw77y";
        assert_eq!(token_of(&[seed]).unwrap(), seed[7..]);
        assert_eq!(token_of(&[b"bearer  x"]).unwrap(), b"x");
        assert_eq!(token_of(&[b"Bearer \xff\xfe"]).unwrap(), b"\xff\xfe");
    }

    #[test]
    fn a_request_without_exactly_one_bearer_token_is_refused() {
        assert_eq!(token_of(&[]), Err(401));
        for value in [b"Basic abc".as_slice(), b"Bearer ", b"Bearer", b"Bearer x y", b""] {
            assert_eq!(token_of(&[value]), Err(401), "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(token_of(&[b"Bearer x", b"Bearer y"]), Err(400));
    }
}
