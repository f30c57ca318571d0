//! What the HTTP services have in common: error responses, bearer tokens, health checks, and a server with the
//! limits that `axum::serve` does not set.

mod auth;
mod drain;
mod error;
mod health;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod lingering_close;
mod metrics;
mod path;
mod request;
mod serve;
mod token;
mod validate;

pub use auth::{Authorize, Caller};
pub use error::ApiError;
pub use health::{Ready, health};
pub use metrics::HttpMetrics;
pub use path::{IdPath, public_base_url};
pub use serve::serve;
pub use token::token_sha256;

/// The content type of every JSON response, in the spelling that the vendors' APIs use.
pub const JSON: &str = "application/json;charset=UTF-8";
