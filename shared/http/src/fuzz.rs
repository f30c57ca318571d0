//! Doors for `tests/fuzz` to what is nobody else's business. They are part of every build, so that a
//! change which breaks them is noticed without building the fuzzers.

use axum::http::{HeaderMap, Uri};

use crate::error::ApiError;
use crate::{auth, path};

/// The token of a request.
pub fn bearer(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    auth::bearer(headers, None)
}

/// Collapses repeated slashes of a path.
pub fn collapse_slashes(uri: &mut Uri) {
    path::collapse_slashes(uri);
}
