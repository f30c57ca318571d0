//! What the HTTP services have in common: error responses, bearer tokens, health checks, and a server with the
//! limits that `axum::serve` does not set.

mod auth;
mod client;
mod error;
mod health;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod metrics;
mod path;
mod request;
mod serve;
mod token;
mod wrong_tokens;

pub use auth::{Authorize, Caller};
pub use client::{Client, TrustedProxies};
pub use error::ApiError;
pub use health::{Ready, health};
pub use metrics::HttpMetrics;
pub use path::{IdPath, public_base_url};
pub use serve::{HEAD_TIMEOUT, ServeOptions, serve};
pub use token::token_sha256;

/// The content type of every JSON response, in the spelling that the vendors' APIs use.
pub const JSON: &str = "application/json;charset=UTF-8";
