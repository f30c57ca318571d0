//! The rights and settings that apply to an upload.

use std::sync::Arc;

use muster_domain::charset::FoundCharset;
use muster_domain::{Charset, CharsetSource, Compression, Dialect, Handling, OwnTitles, Quotas, TenantId};
use muster_files::Archives;
use muster_ports::{CutRules, Idempotency, RawStore};
use muster_telemetry::Counter;

use super::rules::{UploadRules, upload_rules};
use super::slots::{LimitReached, Slot, Slots};

/// The caller's rights and the settings that apply to one upload.
pub(crate) struct UploadContext {
    pub(crate) tenant: TenantId,
    pub(crate) dialect: Dialect,
    pub(crate) handling: Handling,
    pub(crate) blocks_missing_users: bool,
    /// The charset that the client or the tenant declares.
    pub(crate) declared_charset: Option<FoundCharset>,
    /// The titles of the tenant.
    pub(crate) own_titles: Arc<OwnTitles>,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) raw: Arc<dyn RawStore>,
    /// Reads archives that are stored.
    pub(crate) archives: Archives,
    /// The sheet that the client asks for.
    pub(crate) sheet: Option<String>,
    pub(crate) max_bytes: u64,
    pub(crate) quotas: Quotas,
    pub(crate) cut: CutRules,
    /// The slots of zstd decoders.
    pub(crate) decoders: Slots,
    /// Counts the bytes of stored uploads.
    pub(crate) stored_bytes: Counter,
}

impl UploadContext {
    /// The charset that a header declares, or else the one of the tenant.
    pub(crate) fn declare_charset(header: Option<Charset>, tenant: Option<Charset>) -> Option<FoundCharset> {
        let found = |source| move |charset| FoundCharset { charset, source };
        header.map(found(CharsetSource::Header)).or(tenant.map(found(CharsetSource::Tenant)))
    }

    /// The rules of the dialect.
    pub(super) fn rules(&self) -> UploadRules {
        upload_rules(self.dialect)
    }

    /// Takes the slot of a zstd decoder, which takes up to 8 MiB until the end of its input. Other decoders need less.
    pub(super) fn take_decoder(&self) -> Result<Slot, LimitReached> {
        self.decoders.take(self.tenant)
    }

    /// Takes the slot of the decoder that removes this compression; `None` if it needs none.
    pub(super) fn take_decoder_of(&self, compression: Compression) -> Result<Option<Slot>, LimitReached> {
        (compression == Compression::Zstd).then(|| self.take_decoder()).transpose()
    }
}
