//! A small HTTP client for Muster's APIs, and a generator of sample files.
//!
//! `muster demo`, `muster generate`, `muster healthcheck` and the benchmark are built on it.

mod client;
pub mod generate;
mod text;

pub use client::{Client, JobStatus, UserCounts, check_ready};
pub use text::group_thousands;
