//! The state that all handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use muster_files::Archives;
use muster_http::Authorize;

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::upload::slots::Slots;

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
    /// Reads archives that were uploaded.
    pub(crate) archives: Archives,
    pub(crate) authorize: Authorize,
}

impl FromRef<Ingest> for Authorize {
    fn from_ref(ingest: &Ingest) -> Self {
        ingest.authorize.clone()
    }
}
