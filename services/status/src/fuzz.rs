//! Doors for `tests/fuzz` to what is nobody else's business. They are part of every build, so that a
//! change which breaks them is noticed without building the fuzzers.

use axum::extract::Query;
use axum::http::Uri;
use muster_ports::JobFilter;

use crate::files::{self, ListQuery};

/// What the query of a list asks for; nothing if it is refused.
pub fn list_filter(uri: &Uri) -> Option<JobFilter> {
    let Query(query) = Query::<ListQuery>::try_from_uri(uri).ok()?;
    files::read_filter(&query).ok()
}

/// A number of items from 1 to `max`; nothing if it is refused.
pub fn limit(text: Option<&str>, default: u32, max: u32) -> Option<u32> {
    files::read_limit(text, default, max).ok()
}
