//! From an upload to row batches on the queue.
//!
//! | step | module |
//! | --- | --- |
//! | routes and replies: the Spigit API and the Collaborator API | [`api`] |
//! | receive a body, inspect it, store it, create the job | [`upload`] |
//! | request the split of an accepted job | [`split_requests`] |
//! | split the stored file into batches and publish them | [`split`] |
//! | repair what was interrupted, remove what has been kept long enough | [`upkeep`] |
//!
//! Invariants: only a complete upload becomes a job; the split of a job is requested only after its row is committed;
//! no step holds a whole file in memory.

mod api;
mod charset;
mod config;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod metrics;
mod split;
mod split_requests;
mod stall;
mod upkeep;
mod upload;

use std::sync::Arc;

use axum::Router;
use muster_ports::{Counters, DeadLetters, Queue, RawStore, Store};
use muster_runtime::{Shutdown, Tasks};

pub use config::IngestConfig;
pub use metrics::IngestMetrics;

/// What the service depends on.
#[derive(Clone)]
pub struct IngestDeps {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The queue: split requests are published and consumed, batches are published.
    pub queue: Arc<dyn Queue>,
    /// The store of uploads.
    pub raw: Arc<dyn RawStore>,
    /// The dead letters; `None` if they do not outlive the process.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// The counters, which the reconciler keeps in step with the ledger.
    pub counters: Arc<dyn Counters>,
    /// The metrics of the service.
    pub metrics: IngestMetrics,
    /// The owner of the service's tasks.
    pub tasks: Tasks,
    /// The shutdown signal.
    pub shutdown: Shutdown,
}

/// The routes of the service.
pub fn router(deps: IngestDeps, config: IngestConfig) -> Router {
    api::router(deps, config)
}

/// Starts the splitter and the reconciler.
pub fn start(deps: &IngestDeps, config: &IngestConfig) {
    split::start(deps, config);
    upkeep::reconcile::start(deps, config);
}
