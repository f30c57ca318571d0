//! Answers: how far a job is, which rows failed and why, what was imported.
//!
//! A job row is read first. If the job is final, that is the answer; otherwise the counters say how
//! far it is, and the ledger where they have nothing. This service writes nothing.

mod answers;
mod errors;
mod files;
#[doc(hidden)]
pub mod fuzz;
mod metrics;
mod progress;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use muster_http::Authorize;
use muster_ports::{Counters, Store};

use answers::Answers;
pub use metrics::StatusMetrics;
use progress::Views;

/// What the service works with.
#[derive(Clone)]
pub struct StatusDeps {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The fast view of running jobs.
    pub counters: Arc<dyn Counters>,
    /// What is counted for operators.
    pub metrics: StatusMetrics,
    /// The address under which clients reach Muster, without a slash at its end. Without it, the
    /// `Host` header of each request is used.
    pub public_url: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Status {
    pub(crate) deps: StatusDeps,
    pub(crate) views: Arc<Views>,
    pub(crate) answers: Arc<Answers>,
    authorize: Authorize,
}

impl FromRef<Status> for Authorize {
    fn from_ref(status: &Status) -> Self {
        status.authorize.clone()
    }
}

/// The HTTP side of the service.
pub fn router(deps: StatusDeps) -> Router {
    let views = Arc::new(Views::new(&deps));
    let authorize = Authorize::new(deps.store.clone());
    let status = Status { deps, views, answers: Arc::default(), authorize };
    Router::new()
        .route("/bulk/v1/files", get(files::list))
        .route("/bulk/v1/files/{id}", get(files::show))
        .route("/bulk/v1/files/{id}/errors", get(errors::list))
        .route("/bulk/v1/users/{username}", get(users::show))
        .with_state(status)
}
