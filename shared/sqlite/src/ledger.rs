//! The ledger: counts of a batch, its rejections, sums over it.

use muster_domain::decision::LedgerSums;
use muster_domain::{Counts, JobId, Rejection, TenantId, Warning};
use muster_ports::BatchToApply;
use muster_sql::ledger;
use rusqlite::{Connection, OptionalExtension, params};

use crate::connection::row::decode;
use crate::sql;

/// The counts with which a batch was applied; `None` if it was not.
pub(crate) fn counts(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<Option<Counts>> {
    let values = params![batch.tenant.0, batch.job.0, batch.batch.0];
    db.prepare_cached(sql::LEDGER_COUNTS)?.query_row(values, decode(|row| ledger::counts(row))).optional()
}

/// Writes a rejection of a batch.
pub(crate) fn insert_rejection(db: &Connection, batch: &BatchToApply, rejection: &Rejection) -> rusqlite::Result<()> {
    let values = params![
        batch.tenant.0,
        batch.job.0,
        rejection.line.cast_signed(),
        rejection.column,
        rejection.code.as_str(),
        rejection.message,
        rejection.row.map(u64::cast_signed)
    ];
    db.prepare_cached(sql::INSERT_REJECTION)?.execute(values).map(drop)
}

/// Writes a warning of a batch.
pub(crate) fn insert_warning(db: &Connection, batch: &BatchToApply, warning: &Warning) -> rusqlite::Result<()> {
    let values = params![
        batch.tenant.0,
        batch.job.0,
        warning.line.cast_signed(),
        warning.column,
        warning.row.map(u64::cast_signed),
        warning.code.as_str()
    ];
    db.prepare_cached(sql::INSERT_WARNING)?.execute(values).map(drop)
}

/// Writes the ledger row of a batch, with the number of rows that wait and the ids of the users that its rows name if the job needs them.
pub(crate) fn record(
    db: &Connection,
    batch: &BatchToApply,
    counts: &Counts,
    waiting: u64,
    named: Option<&str>,
) -> rusqlite::Result<()> {
    let values = params![
        batch.tenant.0,
        batch.job.0,
        batch.batch.0,
        batch.first_offset.cast_signed(),
        batch.end_offset.cast_signed(),
        counts.created.cast_signed(),
        counts.updated.cast_signed(),
        counts.unchanged.cast_signed(),
        counts.failed.cast_signed(),
        counts.warnings.cast_signed(),
        counts.blocked.cast_signed(),
        counts.unblocked.cast_signed(),
        named,
        batch.rows.rows_without_key().cast_signed(),
        batch.publication.map(|publication| publication.queue.as_str()),
        batch.publication.map(|publication| publication.published_ms),
        waiting.cast_signed()
    ];
    db.prepare_cached(sql::RECORD_BATCH)?.execute(values).map(drop)
}

/// Sums over the ledger of a job.
pub(crate) fn sums(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<LedgerSums> {
    db.prepare_cached(sql::LEDGER_SUMS)?.query_row(params![tenant.0, job.0], decode(|row| ledger::sums(row)))
}
