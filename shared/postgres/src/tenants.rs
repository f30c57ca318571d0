//! Tenants and tokens.

use async_trait::async_trait;
use muster_domain::TenantId;
use muster_ports::{Grant, NewToken, Scope, StoreError, TenantRecord, TenantSettings, Tenants, TokenRecord};

use crate::sql;
use crate::store::{PostgresStore, ask};

#[async_trait]
impl Tenants for PostgresStore {
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError> {
        let id = ask!(self, connection => sqlx::query_scalar::<_, i64>(sql::CREATE_TENANT)
            .bind(name)
            .bind(settings.short_rows.as_str())
            .bind(settings.missing_users.as_str())
            .bind(i32::from(settings.missing_guard_percent))
            .bind(settings.missing_guard_min.cast_signed()).fetch_optional(connection))?;
        Ok(id.map(TenantId))
    }

    async fn set_tenant(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError> {
        ask!(self, connection => sqlx::query(sql::SET_TENANT)
            .bind(tenant.0)
            .bind(settings.short_rows.as_str())
            .bind(settings.missing_users.as_str())
            .bind(i32::from(settings.missing_guard_percent))
            .bind(settings.missing_guard_min.cast_signed()).execute(connection))?;
        Ok(())
    }

    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let rows: Vec<(i64, String, String, String, i32, i32)> =
            ask!(self, connection => sqlx::query_as(sql::LIST_TENANTS).fetch_all(connection))?;
        rows.into_iter()
            .map(|(id, name, short_rows, missing_users, percent, min)| {
                let settings = TenantSettings::read(&short_rows, &missing_users, percent.into(), min.into())?;
                Ok(TenantRecord { id: TenantId(id), name, settings })
            })
            .collect()
    }

    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError> {
        ask!(self, connection => sqlx::query_scalar(sql::CREATE_TOKEN)
            .bind(token.tenant.0)
            .bind(token.sha256.as_slice())
            .bind(&token.prefix)
            .bind(Scope::join(&token.scopes))
            .bind(token.expires_in_seconds).fetch_one(connection))
    }

    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError> {
        let rows: Vec<(i64, String, String, i64, Option<i64>, Option<i64>)> =
            ask!(self, connection => sqlx::query_as(sql::LIST_TOKENS).bind(tenant.0).fetch_all(connection))?;
        let read = |(id, prefix, scopes, created_ms, expires_ms, revoked_ms): (_, _, String, _, _, _)| TokenRecord {
            id,
            prefix,
            scopes: Scope::split(&scopes),
            created_ms,
            expires_ms,
            revoked_ms,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        let done = ask!(self, connection => sqlx::query(sql::REVOKE_TOKEN).bind(id).execute(connection))?;
        Ok(done.rows_affected() > 0)
    }

    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError> {
        let row: Option<(i64, String, String, String, i32, i32)> = ask!(self, connection => sqlx::query_as(sql::FIND_GRANT)
            .bind(token_sha256.as_slice()).fetch_optional(connection))?;
        row.map(|(tenant, scopes, short_rows, missing_users, percent, min)| {
            Ok(Grant {
                tenant: TenantId(tenant),
                scopes: Scope::split(&scopes),
                settings: TenantSettings::read(&short_rows, &missing_users, percent.into(), min.into())?,
            })
        })
        .transpose()
    }
}
