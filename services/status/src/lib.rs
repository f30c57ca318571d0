//! The status service: the progress of jobs, the rejections of their rows, and the imported users.
//!
//! It reads the job row first. If the job is final, that row has everything. Otherwise the progress comes from the
//! counters, or from the ledger if the counters have no view of the job. Handlers only read: the state they get has no
//! port that writes.

mod errors;
mod files;
#[doc(hidden)]
#[cfg(feature = "internals")]
pub mod internals;
mod job_status;
mod metrics;
mod progress;
mod shared_responses;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;
use muster_http::Authorize;
use muster_ports::{Counters, Queries, Tenants};

pub use metrics::StatusMetrics;
use progress::ProgressReader;
use shared_responses::SharedResponses;

/// The part of the database that the service may use: queries, and the tokens of tenants.
pub trait StatusStore: Queries + Tenants {}

impl<T: Queries + Tenants> StatusStore for T {}

/// The adapters and settings that the service works with.
#[derive(Clone)]
pub struct StatusDeps {
    /// The database.
    pub store: Arc<dyn StatusStore>,
    /// The counters of running jobs.
    pub counters: Arc<dyn Counters>,
    /// The metrics of the service.
    pub metrics: StatusMetrics,
    /// The URL at which clients reach Muster, without a trailing slash. If it is `None`, the `Host` header of each
    /// request is used.
    pub public_url: Option<String>,
}

/// The state of the handlers.
#[derive(Clone)]
pub(crate) struct Status {
    pub(crate) store: Arc<dyn Queries>,
    pub(crate) metrics: StatusMetrics,
    pub(crate) public_url: Option<String>,
    pub(crate) progress: Arc<ProgressReader>,
    pub(crate) responses: Arc<SharedResponses>,
    authorize: Authorize,
}

impl FromRef<Status> for Authorize {
    fn from_ref(status: &Status) -> Self {
        status.authorize.clone()
    }
}

/// Creates the HTTP routes of the service.
pub fn router(deps: StatusDeps) -> Router {
    let StatusDeps { store, counters, metrics, public_url } = deps;
    let authorize = Authorize::new(store.clone());
    let store: Arc<dyn Queries> = store;
    let progress = Arc::new(ProgressReader::new(store.clone(), counters));
    let status = Status { store, metrics, public_url, progress, responses: Arc::default(), authorize };
    Router::new()
        .route("/bulk/v1/files", get(files::list))
        .route("/bulk/v1/files/{id}", get(files::show))
        .route("/bulk/v1/files/{id}/errors", get(errors::list))
        .route("/bulk/v1/users", get(users::search))
        .route("/bulk/v1/users/{username}", get(users::show))
        .with_state(status)
}
