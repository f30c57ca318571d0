//! What Muster is about, without any technology: users, records, row rules, outcomes, job states.
//!
//! The crate is pure: no async, no I/O, no clock. Everything here is data in, data out.
//!
//! Reading order: [`ids`], [`field`], [`record`] (cutting a file into records), [`header`] and
//! [`sniff`] (what is looked at before an upload is accepted), [`spigit`] (the rules of a row),
//! [`batch`] (checked rows), [`profile`] and [`plan`] (from checked rows to writes), [`job`].
//!
//! # Glossary
//!
//! A **tenant** owns tokens, users and jobs. A **job** is the import of one uploaded **file**; they
//! share one id. A **batch** is a numbered slice of the rows of a job. A **row** is one record, its
//! **line** the physical line it starts on, counted from 1. The **outcome** of a row is `created`,
//! `updated`, `unchanged` or `failed`; a **rejection** says why a row failed. An **epoch** is a
//! stretch of batches without a common user. The **ledger** is the table of applied batches, the
//! **counters** are a fast view of it.

pub mod batch;
pub mod collaborator;
pub mod counts;
pub mod decision;
pub mod digest;
pub mod field;
pub mod header;
pub mod idempotency;
pub mod ids;
pub mod job;
pub mod json;
pub mod key;
pub mod loose;
pub mod plan;
pub mod profile;
pub mod record;
pub mod rejection;
pub mod rules;
pub mod shape;
pub mod sniff;
pub mod spigit;
pub mod text;

pub use batch::{CheckedBatch, CheckedRow};
pub use counts::Counts;
pub use digest::RowDigest;
pub use field::Field;
pub use header::Header;
pub use idempotency::IdempotencyKey;
pub use ids::{BatchNo, JobId, TenantId};
pub use job::{Charset, Dialect, Format, Handling, JobState};
pub use rejection::{Rejection, RejectionCode};
