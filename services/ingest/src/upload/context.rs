//! What an upload is received with.

use std::sync::Arc;

use muster_domain::{Dialect, Handling, TenantId};
use muster_ports::{CutRules, Idempotency, RawStore};
use muster_telemetry::Counter;

/// The caller's rights and the settings that apply to one upload.
pub(crate) struct UploadContext {
    pub(crate) tenant: TenantId,
    pub(crate) dialect: Dialect,
    pub(crate) handling: Handling,
    pub(crate) blocks_missing: bool,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) raw: Arc<dyn RawStore>,
    pub(crate) max_bytes: u64,
    pub(crate) cut: CutRules,
    /// Counts the bytes of stored uploads.
    pub(crate) stored_bytes: Counter,
}

impl UploadContext {
    /// Whether a declared charset other than UTF-8 is refused. Collaborator files may have other charsets, and some of
    /// their clients declare a wrong one.
    pub(crate) fn requires_utf8(&self) -> bool {
        match self.dialect {
            Dialect::Spigit => true,
            Dialect::Collaborator => false,
        }
    }
}
