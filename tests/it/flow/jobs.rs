//! Jobs after their upload was accepted: cancellation, deletion, retention.

mod cancel;
mod delete;
mod retention;
