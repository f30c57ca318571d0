//! Tenants, their settings and their tokens as they are stored.

use muster_domain::TenantId;
use muster_ports::{Grant, Scope, StoreError, TenantRecord, TenantSettings, TokenRecord};

use crate::row::SqlRow;

/// A row of `list_tenants.sql`.
pub fn tenant(row: &impl SqlRow) -> Result<TenantRecord, StoreError> {
    Ok(TenantRecord { id: TenantId(row.number("id")?), name: row.text("name")?, settings: settings(row)? })
}

/// A row of `list_tokens.sql`.
pub fn token(row: &impl SqlRow) -> Result<TokenRecord, StoreError> {
    Ok(TokenRecord {
        id: row.number("id")?,
        prefix: row.text("prefix")?,
        scopes: Scope::parse_list(&row.text("scopes")?),
        created_ms: row.number("created_ms")?,
        expires_ms: row.optional_number("expires_ms")?,
        revoked_ms: row.optional_number("revoked_ms")?,
    })
}

/// The row of `find_grant.sql`.
pub fn grant(row: &impl SqlRow) -> Result<Grant, StoreError> {
    Ok(Grant {
        tenant: TenantId(row.number("tenant")?),
        scopes: Scope::parse_list(&row.text("scopes")?),
        settings: settings(row)?,
    })
}

fn settings(row: &impl SqlRow) -> Result<TenantSettings, StoreError> {
    TenantSettings::from_stored(
        &row.text("short_rows")?,
        &row.text("missing_users")?,
        row.number("missing_guard_percent")?,
        row.number("missing_guard_min")?,
    )
}
