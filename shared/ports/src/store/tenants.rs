//! Tenants and their tokens.

use async_trait::async_trait;
use muster_domain::TenantId;

use crate::error::StoreError;
use crate::tenant::{Grant, KeyClash, NewToken, TenantRecord, TenantSettings, TokenRecord};

/// Manages tenants and their tokens, and checks tokens.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Creates a tenant. Returns `None` if the name is taken.
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError>;
    /// Changes the settings of a tenant. Jobs that were already accepted keep the settings they were accepted with.
    async fn set_tenant_settings(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError>;
    /// Lists all tenants by name.
    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError>;
    /// Lists the users of a tenant, or of all, whose keys clash with those of others.
    async fn list_key_clashes(&self, tenant: Option<TenantId>) -> Result<Vec<KeyClash>, StoreError>;
    /// Stores a token and returns its id.
    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError>;
    /// Lists the tokens of a tenant, oldest first.
    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError>;
    /// Revokes a token. Returns `false` if it does not exist or is already revoked.
    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError>;
    /// Returns what a token allows. `None` if it is unknown, revoked or expired.
    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError>;
}
