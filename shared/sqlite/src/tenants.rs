//! Tenants and tokens.

use async_trait::async_trait;
use muster_domain::TenantId;
use muster_ports::{Grant, NewToken, Scope, StoreError, TenantRecord, TenantSettings, Tenants, TokenRecord};
use rusqlite::{OptionalExtension, Row, params};

use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Tenants for SqliteStore {
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError> {
        let name = name.to_owned();
        self.write(move |db| {
            let values = params![
                name,
                settings.short_rows.as_str(),
                settings.missing_users.as_str(),
                settings.missing_guard_percent,
                settings.missing_guard_min
            ];
            db.query_row(sql::CREATE_TENANT, values, |row| row.get(0).map(TenantId)).optional()
        })
        .await
    }

    async fn set_tenant(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError> {
        self.write(move |db| {
            let values = params![
                tenant.0,
                settings.short_rows.as_str(),
                settings.missing_users.as_str(),
                settings.missing_guard_percent,
                settings.missing_guard_min
            ];
            db.execute(sql::SET_TENANT, values).map(drop)
        })
        .await
    }

    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let rows: Vec<(i64, String, SettingsRow)> = self
            .read(|db| {
                let mut statement = db.prepare_cached(sql::LIST_TENANTS)?;
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, settings_row(row, 2)?)))?.collect()
            })
            .await?;
        rows.into_iter()
            .map(|(id, name, settings)| {
                Ok(TenantRecord { id: TenantId(id), name, settings: read_settings(&settings)? })
            })
            .collect()
    }

    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError> {
        self.write(move |db| {
            let scopes = Scope::join(&token.scopes);
            let values = params![token.tenant.0, token.sha256, token.prefix, scopes, token.expires_in_seconds];
            db.query_row(sql::CREATE_TOKEN, values, |row| row.get(0))
        })
        .await
    }

    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LIST_TOKENS)?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(TokenRecord {
                    id: row.get(0)?,
                    prefix: row.get(1)?,
                    scopes: Scope::split(&row.get::<_, String>(2)?),
                    created_ms: row.get(3)?,
                    expires_ms: row.get(4)?,
                    revoked_ms: row.get(5)?,
                })
            };
            statement.query_map([tenant.0], read)?.collect()
        })
        .await
    }

    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.write(move |db| Ok(db.execute(sql::REVOKE_TOKEN, [id])? > 0)).await
    }

    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError> {
        let sha256 = *token_sha256;
        let row: Option<(i64, String, SettingsRow)> = self
            .read(move |db| {
                let mut statement = db.prepare_cached(sql::FIND_GRANT)?;
                statement.query_row([sha256], |row| Ok((row.get(0)?, row.get(1)?, settings_row(row, 2)?))).optional()
            })
            .await?;
        row.map(|(tenant, scopes, settings)| {
            Ok(Grant { tenant: TenantId(tenant), scopes: Scope::split(&scopes), settings: read_settings(&settings)? })
        })
        .transpose()
    }
}

/// The stored settings of a tenant, which begin at this column.
type SettingsRow = (String, String, i64, i64);

fn settings_row(row: &Row<'_>, first: usize) -> rusqlite::Result<SettingsRow> {
    Ok((row.get(first)?, row.get(first + 1)?, row.get(first + 2)?, row.get(first + 3)?))
}

fn read_settings((short_rows, missing_users, percent, min): &SettingsRow) -> Result<TenantSettings, StoreError> {
    TenantSettings::read(short_rows, missing_users, *percent, *min)
}
