//! What the status service returns, and how it shares lookups between clients.

mod polling;
mod reports;
