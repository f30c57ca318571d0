//! The rights and settings that apply to an upload.

use std::sync::Arc;

use muster_domain::{Compression, Dialect, Handling, Quotas, TenantId};
use muster_ports::{CutRules, Idempotency, RawStore};
use muster_telemetry::Counter;

use super::headers::UploadHeaders;
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

    /// Whether the body is decompressed with zstd while it arrives, which takes up to 8 MiB until its end. Any other body
    /// needs less, or is stored as it was sent.
    pub(crate) fn decodes_zstd(&self, headers: &UploadHeaders) -> bool {
        headers.compression == Compression::Zstd
            && (self.rules().inspects_whole_text || headers.media_type == "multipart/form-data")
    }
}
