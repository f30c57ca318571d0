//! The two public APIs. Their request rules and response shapes are known only here.
//!
//! | module | content |
//! | --- | --- |
//! | [`state`], [`slots`] | what handlers share; limits on uploads at the same time |
//! | [`accept`] | from a received upload to an accepted job |
//! | [`responses`] | responses that both APIs have |
//! | [`spigit`], [`collaborator`] | the routes and handlers of each API |

mod accept;
mod collaborator;
mod responses;
pub(crate) mod slots;
mod spigit;
mod state;

use std::sync::Arc;

use axum::Router;
use muster_http::Authorize;

use crate::IngestDeps;
use crate::config::IngestConfig;
use slots::Slots;
use state::Ingest;

/// The routes of the service.
pub(crate) fn router(deps: IngestDeps, config: IngestConfig) -> Router {
    let slots = Slots::new(config.max_uploads, config.max_uploads_per_tenant);
    let authorize = Authorize::new(deps.store.clone());
    let state = Ingest { deps, config: Arc::new(config), slots, authorize };
    Router::new().merge(spigit::routes()).merge(collaborator::routes()).with_state(state)
}
