//! The rights and settings that apply to an upload.

use std::sync::Arc;

use muster_domain::{Dialect, Handling, Quotas, TenantId};
use muster_ports::{CutRules, Idempotency, RawStore};
use muster_telemetry::Counter;

use super::rules::{UploadRules, upload_rules};

/// The caller's rights and the settings that apply to one upload.
pub(crate) struct UploadContext {
    pub(crate) tenant: TenantId,
    pub(crate) dialect: Dialect,
    pub(crate) handling: Handling,
    pub(crate) blocks_missing_users: bool,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) raw: Arc<dyn RawStore>,
    pub(crate) max_bytes: u64,
    pub(crate) quotas: Quotas,
    pub(crate) cut: CutRules,
    /// Counts the bytes of stored uploads.
    pub(crate) stored_bytes: Counter,
}

impl UploadContext {
    /// The rules of the dialect.
    pub(super) fn rules(&self) -> UploadRules {
        upload_rules(self.dialect)
    }
}
