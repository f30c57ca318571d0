//! Tenants and tokens.

use async_trait::async_trait;
use muster_domain::{Charset, TenantId};
use muster_ports::{Grant, KeyClash, NewToken, Scope, StoreError, TenantRecord, TenantSettings, Tenants, TokenRecord};
use muster_sql::{keys, tenants};
use rusqlite::{OptionalExtension, params};

use crate::connection::row::decode;
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
                settings.missing_guard_min,
                tenants::stored_limit(settings.quotas.stored_bytes),
                tenants::stored_limit(settings.quotas.unfinished_jobs),
                tenants::stored_limit(settings.quotas.uploads_per_day),
                tenants::stored_limit(settings.quotas.new_passwords_per_hour),
                settings.charset.map(Charset::as_str),
                tenants::stored_titles(&settings.own_titles),
            ];
            db.query_row(sql::CREATE_TENANT, values, |row| row.get(0).map(TenantId)).optional()
        })
        .await
    }

    async fn set_tenant_settings(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError> {
        self.write(move |db| {
            let values = params![
                tenant.0,
                settings.short_rows.as_str(),
                settings.missing_users.as_str(),
                settings.missing_guard_percent,
                settings.missing_guard_min,
                tenants::stored_limit(settings.quotas.stored_bytes),
                tenants::stored_limit(settings.quotas.unfinished_jobs),
                tenants::stored_limit(settings.quotas.uploads_per_day),
                tenants::stored_limit(settings.quotas.new_passwords_per_hour),
                settings.charset.map(Charset::as_str),
                tenants::stored_titles(&settings.own_titles),
            ];
            db.execute(sql::SET_TENANT_SETTINGS, values).map(drop)
        })
        .await
    }

    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached(sql::LIST_TENANTS)?;
            statement.query_map([], decode(|row| tenants::tenant(row)))?.collect()
        })
        .await
    }

    async fn list_key_clashes(&self, tenant: Option<TenantId>) -> Result<Vec<KeyClash>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LIST_CLASHES)?;
            statement.query_map([tenant.map(|tenant| tenant.0)], decode(|row| keys::clash(row)))?.collect()
        })
        .await
    }

    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError> {
        self.write(move |db| {
            let scopes = Scope::format_list(&token.scopes);
            let values = params![token.tenant.0, token.sha256, token.prefix, scopes, token.expires_in_seconds];
            db.query_row(sql::CREATE_TOKEN, values, |row| row.get(0))
        })
        .await
    }

    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LIST_TOKENS)?;
            statement.query_map([tenant.0], decode(|row| tenants::token(row)))?.collect()
        })
        .await
    }

    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.write(move |db| Ok(db.execute(sql::REVOKE_TOKEN, [id])? > 0)).await
    }

    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError> {
        let sha256 = *token_sha256;
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::FIND_GRANT)?;
            statement.query_row([sha256], decode(|row| tenants::grant(row))).optional()
        })
        .await
    }
}
