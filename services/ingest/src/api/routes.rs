//! The routes of the service.

use std::sync::Arc;

use axum::Router;
use muster_http::Authorize;

use super::{collaborator, spigit};
use crate::IngestDeps;
use crate::api::slots::Slots;
use crate::api::state::Ingest;
use crate::config::IngestConfig;

pub(crate) fn router(deps: IngestDeps, config: IngestConfig) -> Router {
    let slots = Slots::new(config.max_uploads, config.max_uploads_per_tenant);
    let authorize = Authorize::new(deps.store.clone());
    Router::new().merge(spigit::routes()).merge(collaborator::routes()).with_state(Ingest {
        deps,
        config: Arc::new(config),
        slots,
        authorize,
    })
}
