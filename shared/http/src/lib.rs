//! What the HTTP services have in common: the shape of errors, bearer tokens, health, and a server
//! with the limits that `axum::serve` does not set.

mod auth;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod goodbye;
mod health;
mod lent;
mod metrics;
mod path;
mod request;
mod serve;
mod target;
mod token;

pub use auth::{Authorize, Caller};
pub use error::{ApiError, Shape, Subject};
pub use health::{Ready, health};
pub use metrics::HttpMetrics;
pub use path::{IdPath, public_base};
pub use serve::serve;
pub use token::token_sha256;

/// Every body of the vendor's API is of this type, with this spelling.
pub const JSON: &str = "application/json;charset=UTF-8";
