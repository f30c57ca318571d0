//! The two public APIs. Their request rules and response shapes are known only here.
//!
//! | module | content |
//! | --- | --- |
//! | [`state`] | what handlers share |
//! | [`accept`] | from a received upload to an accepted job |
//! | [`responses`] | responses that both APIs have |
//! | [`spigit`], [`collaborator`] | the routes and handlers of each API |

mod accept;
mod collaborator;
mod responses;
mod spigit;
mod state;

use std::sync::Arc;

use axum::Router;
use muster_files::Archives;
use muster_http::Authorize;

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::upload::slots::Slots;
use state::Ingest;

/// The maximum number of bodies that are decompressed with zstd while they arrive, in the process (128 MiB) and per tenant.
const MAX_DECODERS: usize = 16;
const MAX_DECODERS_PER_TENANT: usize = 4;
/// The maximum number of calls that wait for their job, in the process and per tenant. Further calls do not wait.
const MAX_WAITS: usize = 512;
const MAX_WAITS_PER_TENANT: usize = 64;
/// The maximum number of refused bodies that are drained to their end, in the process and per tenant. Further ones are
/// only drained as far as those of strangers.
const MAX_DRAINS: usize = 64;
const MAX_DRAINS_PER_TENANT: usize = 8;

/// The routes of the service.
pub(crate) fn router(deps: IngestDeps, config: IngestConfig) -> Router {
    let uploads = Slots::new(config.max_uploads, config.max_uploads_per_tenant);
    let decoders = Slots::new(MAX_DECODERS, MAX_DECODERS_PER_TENANT);
    let waits = Slots::new(MAX_WAITS, MAX_WAITS_PER_TENANT);
    let drains = Slots::new(MAX_DRAINS, MAX_DRAINS_PER_TENANT);
    let authorize = Authorize::new(deps.store.clone());
    let archives = Archives::new(deps.raw.clone(), deps.tasks.clone());
    let state = Ingest { deps, config: Arc::new(config), uploads, decoders, waits, drains, archives, authorize };
    Router::new().merge(spigit::routes()).merge(collaborator::routes()).with_state(state)
}
