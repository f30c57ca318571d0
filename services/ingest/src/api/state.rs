//! The state that all handlers share.

use std::sync::Arc;

use axum::extract::FromRef;
use muster_http::Authorize;

use crate::IngestDeps;
use crate::api::slots::Slots;
use crate::config::IngestConfig;

#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) deps: IngestDeps,
    pub(crate) config: Arc<IngestConfig>,
    pub(crate) slots: Slots,
    pub(crate) authorize: Authorize,
}

impl FromRef<Ingest> for Authorize {
    fn from_ref(ingest: &Ingest) -> Self {
        ingest.authorize.clone()
    }
}
