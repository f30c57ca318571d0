//! Tenants and tokens.

use async_trait::async_trait;
use muster_domain::{Charset, TenantId};
use muster_ports::{Grant, KeyClash, NewToken, Scope, StoreError, TenantRecord, TenantSettings, Tenants, TokenRecord};
use muster_sql::{keys, tenants};

use crate::connection::query::Statement;
use crate::sql;
use crate::store::PostgresStore;

#[async_trait]
impl Tenants for PostgresStore {
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError> {
        let statement = bind_settings(sqlx::query(sql::CREATE_TENANT).bind(name), &settings);
        let row = self.database.fetch_optional(statement).await?;
        row.map(|row| row.only().map(TenantId)).transpose()
    }

    async fn set_tenant_settings(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError> {
        let statement = bind_settings(sqlx::query(sql::SET_TENANT_SETTINGS).bind(tenant.0), &settings);
        self.database.execute(statement).await.map(drop)
    }

    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.database.fetch_all(sqlx::query(sql::LIST_TENANTS)).await?.iter().map(tenants::tenant).collect()
    }

    async fn list_key_clashes(&self, tenant: Option<TenantId>) -> Result<Vec<KeyClash>, StoreError> {
        let statement = sqlx::query(sql::LIST_CLASHES).bind(tenant.map(|tenant| tenant.0));
        Ok(self.database.fetch_all(statement).await?.iter().map(keys::clash).collect::<Result<_, _>>()?)
    }

    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError> {
        let statement = sqlx::query(sql::CREATE_TOKEN)
            .bind(token.tenant.0)
            .bind(token.sha256.as_slice())
            .bind(&token.prefix)
            .bind(Scope::format_list(&token.scopes))
            .bind(token.expires_in_seconds);
        self.database.fetch_one(statement).await?.only()
    }

    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = self.database.fetch_all(sqlx::query(sql::LIST_TOKENS).bind(tenant.0)).await?;
        rows.iter().map(tenants::token).collect()
    }

    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        Ok(self.database.execute(sqlx::query(sql::REVOKE_TOKEN).bind(id)).await? > 0)
    }

    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError> {
        let row = self.database.fetch_optional(sqlx::query(sql::FIND_GRANT).bind(token_sha256.as_slice())).await?;
        row.map(|row| tenants::grant(&row)).transpose()
    }
}

fn bind_settings<'a>(statement: Statement<'a>, settings: &TenantSettings) -> Statement<'a> {
    statement
        .bind(settings.short_rows.as_str())
        .bind(settings.missing_users.as_str())
        .bind(i32::from(settings.missing_guard_percent))
        .bind(settings.missing_guard_min.cast_signed())
        .bind(tenants::stored_limit(settings.quotas.stored_bytes))
        .bind(tenants::stored_limit(settings.quotas.unfinished_jobs))
        .bind(tenants::stored_limit(settings.quotas.uploads_per_day))
        .bind(tenants::stored_limit(settings.quotas.new_passwords_per_hour))
        .bind(settings.charset.map(Charset::as_str))
        .bind(tenants::stored_titles(&settings.own_titles))
}
