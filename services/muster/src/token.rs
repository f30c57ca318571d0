//! Makes tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_domain::TenantId;
use muster_http::token_sha256;
use muster_ports::{NewToken, Scope, StoreError, Tenants};

/// What a token begins with, so that people and scanners recognise one.
const MARK: &str = "muster_";
/// How many characters are kept to tell tokens apart.
const PREFIX: usize = MARK.len() + 6;

/// Makes a token of 256 random bits and stores its hash. Only the answer holds the token itself.
pub(crate) async fn create(
    store: &dyn Tenants,
    tenant: TenantId,
    scopes: Vec<Scope>,
    expires_in_seconds: Option<i64>,
) -> Result<String, StoreError> {
    let token = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let prefix = token[..PREFIX].to_owned();
    let sha256 = token_sha256(token.as_bytes());
    store.create_token(NewToken { tenant, sha256, prefix, scopes, expires_in_seconds }).await?;
    Ok(token)
}
