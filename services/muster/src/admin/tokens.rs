//! `muster token`, and the creation of tokens.

use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_domain::TenantId;
use muster_http::token_sha256;
use muster_ports::{NewToken, Scope, StoreError, Tenants};

use super::{find_tenant, open_store};
use crate::cli::TokenCommand;
use crate::output::print_line;

const SECONDS_PER_DAY: i64 = 24 * 3600;
/// Starts every token, so that people and secret scanners recognize one.
const MARKER: &str = "muster_";
/// Characters of a token that are stored, to tell tokens apart.
const PREFIX_CHARS: usize = MARKER.len() + 6;

pub(crate) async fn run(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { tenant, scopes, expires_in_days, store } => {
            let store = open_store(&store).await?;
            let tenant = find_tenant(&*store, &tenant).await?;
            let scopes = scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
            let expires_in_seconds = expires_in_days.map(|days| i64::from(days) * SECONDS_PER_DAY);
            print_line(&create_token(&*store, tenant.id, scopes, expires_in_seconds).await?)
        }
        TokenCommand::List { tenant, store } => {
            let store = open_store(&store).await?;
            let tenant = find_tenant(&*store, &tenant).await?;
            for token in store.list_tokens(tenant.id).await? {
                let state = match (token.revoked_ms, token.expires_ms) {
                    (Some(_), _) => "revoked".to_owned(),
                    (None, Some(at)) => format!("expires_at_ms={at}"),
                    (None, None) => "does not expire".to_owned(),
                };
                let scopes = Scope::format_list(&token.scopes);
                print_line(&format!("{}\t{}…\t{scopes}\t{state}", token.id, token.prefix))?;
            }
            Ok(())
        }
        TokenCommand::Revoke { id, store } => {
            if open_store(&store).await?.revoke_token(id).await? {
                print_line(&format!("Token {id} is revoked."))
            } else {
                bail!("there is no token {id}, or it is already revoked")
            }
        }
    }
}

/// Creates a token of 256 random bits, stores its hash and returns the token, which is not stored anywhere.
pub(crate) async fn create_token(
    store: &dyn Tenants,
    tenant: TenantId,
    scopes: Vec<Scope>,
    expires_in_seconds: Option<i64>,
) -> Result<String, StoreError> {
    let token = format!("{MARKER}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let prefix = token[..PREFIX_CHARS].to_owned();
    let sha256 = token_sha256(token.as_bytes());
    store.create_token(NewToken { tenant, sha256, prefix, scopes, expires_in_seconds }).await?;
    Ok(token)
}
