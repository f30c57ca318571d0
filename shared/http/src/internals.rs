//! Private functions for `tests/fuzz`, exported only with the feature `internals`.

use axum::http::{HeaderMap, Uri};

use crate::error::ApiError;
use crate::{auth, path};

/// Returns the token of a request.
pub fn bearer(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    auth::bearer(headers, None)
}

/// Collapses repeated slashes of a path.
pub fn collapse_slashes(uri: &mut Uri) {
    path::collapse_slashes(uri);
}
