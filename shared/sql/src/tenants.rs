//! Tenants, their settings and their tokens as they are stored.

use muster_domain::{QuotaUsage, Quotas, TenantId};
use muster_ports::{Grant, Scope, StoreError, TenantRecord, TenantSettings, TokenRecord};

use crate::row::{SqlRow, Unreadable};

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
        row.optional_text("charset")?.as_deref(),
        quotas(row)?,
    )
}

fn quotas(row: &impl SqlRow) -> Result<Quotas, Unreadable> {
    let limit = |name| Ok::<_, Unreadable>(Some(row.count(name)?).filter(|limit| *limit > 0));
    Ok(Quotas {
        stored_bytes: limit("max_stored_bytes")?,
        unfinished_jobs: limit("max_unfinished_jobs")?,
        uploads_per_day: limit("max_uploads_per_day")?,
        new_passwords_per_hour: limit("max_new_passwords_per_hour")?,
    })
}

/// A limit as it is stored.
pub fn stored_limit(limit: Option<u64>) -> i64 {
    limit.map_or(0, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

/// The row of `quota_usage.sql`.
pub fn quota_usage(row: &impl SqlRow) -> Result<QuotaUsage, Unreadable> {
    Ok(QuotaUsage {
        stored_bytes: row.count("stored_bytes")?,
        unfinished_jobs: row.count("unfinished_jobs")?,
        uploads_in_day: row.count("uploads_in_day")?,
    })
}
