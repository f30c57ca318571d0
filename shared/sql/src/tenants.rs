//! Tenants, their settings and their tokens as they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_domain::{Charset, OwnTitles, QuotaUsage, Quotas, TenantId};
use muster_ports::{Grant, MissingUsers, Scope, ShortRows, StoreError, TenantRecord, TenantSettings, TokenRecord};

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
    let short_rows = ShortRows::parse(&row.text("short_rows")?);
    let missing_users = MissingUsers::parse(&row.text("missing_users")?);
    let charset = row.optional_text("charset")?;
    Ok(TenantSettings {
        short_rows: short_rows.ok_or(StoreError::Unreadable("a tenant's setting short_rows"))?,
        missing_users: missing_users.ok_or(StoreError::Unreadable("a tenant's setting missing_users"))?,
        missing_guard_percent: setting(row, "missing_guard_percent")?,
        missing_guard_min: setting(row, "missing_guard_min")?,
        charset: charset
            .map(|name| Charset::parse(&name).ok_or(StoreError::Unreadable("a tenant's setting charset")))
            .transpose()?,
        own_titles: own_titles(row)?,
        quotas: quotas(row)?,
    })
}

/// The titles of a tenant are stored as a JSON object from titles to columns; null if there are none.
fn own_titles(row: &impl SqlRow) -> Result<Arc<OwnTitles>, StoreError> {
    let unreadable = StoreError::Unreadable("a tenant's setting own_titles");
    let Some(stored) = row.optional_text("own_titles")? else { return Ok(Arc::default()) };
    let Ok(stored) = serde_json::from_str::<BTreeMap<String, String>>(&stored) else { return Err(unreadable) };
    let mut titles = OwnTitles::default();
    for (title, column) in &stored {
        if titles.set(title, column).is_err() {
            return Err(unreadable);
        }
    }
    Ok(Arc::new(titles))
}

/// The titles of a tenant as they are stored; null if there are none.
pub fn stored_titles(titles: &OwnTitles) -> Option<String> {
    let stored: BTreeMap<&str, &str> = titles.iter().collect();
    // Texts always have a JSON form.
    if stored.is_empty() { None } else { serde_json::to_string(&stored).ok() }
}

fn setting<N: TryFrom<i64>>(row: &impl SqlRow, column: &'static str) -> Result<N, StoreError> {
    N::try_from(row.number(column)?).map_err(|_| StoreError::Unreadable(column))
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
