//! The domain of Muster, independent of any technology: users, records, row rules, outcomes, job states.
//!
//! The crate is pure: no async, no I/O, no clock. Every function computes its result from its arguments alone.
//!
//! # Reading order
//!
//! | Folder | Modules | Contents |
//! |---|---|---|
//! | `jobs` | [`ids`], [`file`](mod@file), [`job`], [`idempotency`] | the identifiers, settings and states of a job |
//! | `jobs` | [`quota`] | the quotas of a tenant |
//! | `jobs` | [`counts`], [`rejection`] | the results of a job |
//! | `formats` | [`scanner`], [`csv`], [`json_array`], [`json_lines`] | finding the records of a file |
//! | `formats` | [`sniff`], [`header`], [`charset`], [`file_type`], [`similar`] | the checks before an upload is accepted |
//! | `users` | [`field`] | the fields of a profile |
//! | `rules` | [`key`], [`text`], [`email`], [`invisible`], [`spreadsheet`] | the checks on single values |
//! | `rules` | [`spigit`], [`collaborator`] | the checks on the rows of each dialect |
//! | `users` | [`warning`] | what is said about rows that did not fail |
//! | `users` | [`shape`], [`batch`], [`profile`], [`digest`] | checked rows, and the users that they change |
//! | `users` | [`waiting`], [`hand_over`] | rows that want what another user has, decided together at the end |
//! | `users` | [`plan`], [`decision`] | the writes of a batch; how a row, a conflict and a job end |
//!
//! # Glossary
//!
//! Each word has one meaning in names, comments and documents.
//!
//! | Word | Meaning | Not used for |
//! |---|---|---|
//! | tenant | the owner of tokens, users and jobs | |
//! | quota | a limit that an operator sets for one tenant | limits of a process |
//! | job, file | the import of one uploaded file; both share one numeric id | |
//! | dialect | the API through which a file was uploaded: `spigit` or `collaborator` | file formats |
//! | upload | the bytes that a client sends, and the request that carries them | context structs |
//! | raw store | where uploads are kept until retention removes them | |
//! | split | reading a stored file from its start and publishing its batches | deciding where batches end |
//! | cut | deciding where records and batches end: the pure function inside a split | publishing |
//! | splitter | the part of ingest that splits | |
//! | split request | the message that asks a splitter to split a job | |
//! | batch | a numbered slice of the rows of one job: the unit of queueing, transaction, acknowledgement and retry | |
//! | row | one record of a file | |
//! | line | the physical line on which a row starts, counted from 1 | |
//! | epoch | a run of consecutive batches in which no user, e-mail or login occurs in two batches | |
//! | lane | the queue that a batch takes: `small`, `bulk` or `slow` | |
//! | ledger | the table of applied batches | |
//! | counters | the view of the ledger in Redis | |
//! | outcome | of a row: `created`, `updated`, `unchanged` or `failed` | results of calls |
//! | rejection | why a row failed: line, column, code, message | refused uploads |
//! | refusal, refuse | answering an upload or a request with an error | version checks, unique violations |
//! | settle | to acknowledge, reject or return a delivery | draining bodies, counting, digests, joining |
//! | apply | to write the users, the rejections and the ledger row of a batch in one transaction | one row |
//! | attempt | one try to apply a batch | |
//! | lookup | a query for users before a write | |
//! | contested | of a row: its e-mail or login is held by another user or claimed by another row | |
//! | waiting row | a row to be decided when the rest of its file is applied, because it wants what another user has | batches on a queue |
//! | missing user | a user with a uid whom no row of a Collaborator file names | values and things that are absent |
//! | compression | `identity`, `gzip`, `zstd` or `zip` | charsets |
//! | archive | a file with files in it: a ZIP archive or a workbook | |
//! | charset | the character encoding of a file | compression |
//! | reply, response | what an HTTP endpoint sends back | results of functions |
//! | version check | the check that a write never overwrites a later (job, line) | |
//! | reconciler | the loop in ingest that repairs what was interrupted | |
//! | retention | removing the uploads, rejections and attempts of old final jobs | |
//! | lease, fence | the exclusive right to split a job; the fencing token of that right | |

mod formats;
mod jobs;
mod rules;
mod users;

pub use formats::{charset, csv, file_type, header, json_array, json_lines, scanner, similar, sniff, workbook_cell};
pub use jobs::{counts, file, idempotency, ids, job, quota, rejection};
pub use rules::{
    BatchRecords, CheckRules, check_batch, collaborator, delimiter, email, invisible, key, own_titles, row_shape,
    spigit, spreadsheet, text,
};
pub use users::{batch, decision, digest, field, hand_over, plan, profile, shape, waiting, warning};

pub use batch::{CheckedBatch, CheckedRow};
pub use counts::Counts;
pub use digest::RowDigest;
pub use field::Field;
pub use file::{Charset, CharsetSource, Compression, Dialect, Format, Handling, RowsStart};
pub use header::Header;
pub use idempotency::IdempotencyKey;
pub use ids::{BatchNo, JobId, TenantId};
pub use job::JobState;
pub use own_titles::OwnTitles;
pub use quota::{ExceededQuota, QuotaUsage, Quotas};
pub use rejection::{Rejection, RejectionCode};
pub use warning::{Warning, WarningCode};
