//! The routes of the service.

use std::sync::Arc;

use axum::Router;
use muster_http::Authorize;

use crate::IngestDeps;
use crate::api::{collaborator, spigit};
use crate::config::IngestConfig;
use crate::slots::Slots;
use crate::state::Ingest;

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
