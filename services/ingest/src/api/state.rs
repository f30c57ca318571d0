//! The state that all handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use muster_http::Authorize;

use crate::IngestDeps;
use crate::api::slots::{LimitReached, Slot, Slots};
use crate::config::IngestConfig;
use crate::upload::context::UploadContext;
use crate::upload::headers::UploadHeaders;

#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) deps: IngestDeps,
    pub(crate) config: Arc<IngestConfig>,
    /// The slots of uploads that are being received.
    pub(crate) uploads: Slots,
    /// The slots of uploads whose body is decompressed with zstd while it arrives: each takes up to 8 MiB.
    pub(crate) decoders: Slots,
    /// The slots of calls that wait for their job.
    pub(crate) waits: Slots,
    /// The slots of refused bodies that are drained for callers with a valid token.
    pub(crate) drains: Slots,
    pub(crate) authorize: Authorize,
}

impl Ingest {
    /// Takes a slot for the decoder of a body; `None` if it needs none.
    pub(crate) fn take_decoder(
        &self,
        context: &UploadContext,
        headers: &UploadHeaders,
    ) -> Result<Option<Slot>, LimitReached> {
        context.decodes_zstd(headers).then(|| self.decoders.take(context.tenant)).transpose()
    }
}

impl FromRef<Ingest> for Authorize {
    fn from_ref(ingest: &Ingest) -> Self {
        ingest.authorize.clone()
    }
}
