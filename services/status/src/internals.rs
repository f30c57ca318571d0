//! Internal functions for the fuzz targets in `tests/fuzz`. They are part of every build, so that a change that breaks
//! them is noticed without building the fuzzers.

use axum::extract::Query;
use axum::http::Uri;
use muster_ports::JobQuery;

use crate::files::{self, ListQuery};

/// Parses the query of a list. Returns `None` if it is invalid.
pub fn list_filter(uri: &Uri) -> Option<JobQuery> {
    let Query(query) = Query::<ListQuery>::try_from_uri(uri).ok()?;
    files::read_filter(&query).ok()
}

/// Parses a page size from 1 to `max`. Returns `None` if it is invalid.
pub fn limit(text: Option<&str>, default: u32, max: u32) -> Option<u32> {
    files::read_limit(text, default, max).ok()
}
