//! From an upload to row batches on the queue.
//!
//! | step | module |
//! | --- | --- |
//! | HTTP: take an upload, delete a file | [`http`] |
//! | HTTP: the users-import API of Collaborator, which answers when the job is final | [`users_import`] |
//! | stream a body, look at its head, store it, accept the job | [`upload`] |
//! | cut the stored file into batches and publish them | [`split`] |
//! | put right whatever was interrupted | [`reconcile`], [`dead`], [`sweep`] |
//! | remove what has been kept for long enough | [`retain`] |
//!
//! Invariants: only a complete upload becomes a job; a job row is committed before its split is
//! rung for; nothing here holds a whole file in memory.

mod charset;
mod config;
mod dead;
#[doc(hidden)]
pub mod fuzz;
mod http;
mod metrics;
mod reconcile;
mod retain;
mod slots;
mod split;
mod sweep;
mod upload;
mod users_import;

use std::sync::Arc;

use axum::Router;
use muster_ports::{Counters, DeadLetters, Queue, RawStore, Store};
use muster_runtime::{Shutdown, Tasks};

pub use config::IngestConfig;
pub use metrics::IngestMetrics;

/// What the service works with.
#[derive(Clone)]
pub struct IngestDeps {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Where messages go, and where splits come from.
    pub queue: Arc<dyn Queue>,
    /// Where uploads lie.
    pub raw: Arc<dyn RawStore>,
    /// Where messages go that could not be used, if they outlive the process.
    pub dead_letters: Option<Arc<dyn DeadLetters>>,
    /// The counters, which the reconciler keeps in step with the ledger.
    pub counters: Arc<dyn Counters>,
    /// What is counted for operators.
    pub metrics: IngestMetrics,
    /// The owner of the service's tasks.
    pub tasks: Tasks,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// The HTTP side of the service.
pub fn router(deps: IngestDeps, config: IngestConfig) -> Router {
    http::router(deps, config)
}

/// Starts the splitter and the reconciler.
pub fn start(deps: &IngestDeps, config: &IngestConfig) {
    split::start(deps, config);
    reconcile::start(deps, config);
}
