//! The ledger: claiming a batch, writing its counts, sums over it.

use muster_domain::decision::LedgerSums;
use muster_domain::{Counts, JobId, Rejection, TenantId, Warning};
use muster_ports::BatchToApply;
use muster_sql::ledger;
use sqlx::postgres::PgConnection;

use crate::connection::query::{fetch_row, unreadable};
use crate::sql;

/// Inserts the ledger row of a batch, without counts. False if the batch is already in the ledger.
pub(crate) async fn claim(connection: &mut PgConnection, batch: &BatchToApply) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(sql::CLAIM_BATCH)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(batch.batch.0.cast_signed())
        .bind(batch.first_offset.cast_signed())
        .bind(batch.end_offset.cast_signed())
        .bind(batch.publication.map(|publication| publication.queue.as_str()))
        .bind(batch.publication.map(|publication| publication.published_ms))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The counts with which a batch was applied.
pub(crate) async fn counts(connection: &mut PgConnection, batch: &BatchToApply) -> Result<Counts, sqlx::Error> {
    let statement =
        sqlx::query(sql::LEDGER_COUNTS).bind(batch.tenant.0).bind(batch.job.0).bind(batch.batch.0.cast_signed());
    ledger::counts(&fetch_row(connection, statement).await?).map_err(unreadable)
}

/// Writes the rejections of a batch.
pub(crate) async fn insert_rejections(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rejections: &[Rejection],
) -> Result<(), sqlx::Error> {
    if rejections.is_empty() {
        return Ok(());
    }
    sqlx::query(sql::INSERT_REJECTIONS)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(rejections.iter().map(|r| r.line.cast_signed()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.column.as_deref()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.code.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.message.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.row.map(u64::cast_signed)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes the kept warnings of a batch.
pub(crate) async fn insert_warnings(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    warnings: &[Warning],
) -> Result<(), sqlx::Error> {
    if warnings.is_empty() {
        return Ok(());
    }
    sqlx::query(sql::INSERT_WARNINGS)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(warnings.iter().map(|w| w.line.cast_signed()).collect::<Vec<_>>())
        .bind(warnings.iter().map(|w| w.column.as_str()).collect::<Vec<_>>())
        .bind(warnings.iter().map(|w| w.row.map(u64::cast_signed)).collect::<Vec<_>>())
        .bind(warnings.iter().map(|w| w.code.as_str()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes the counts of a claimed batch, the number of its rows that wait, and the ids of the users that its rows name if the job needs them.
pub(crate) async fn write_counts(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    counts: &Counts,
    waiting: u64,
    named: &[i64],
) -> Result<(), sqlx::Error> {
    let number = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    sqlx::query(sql::RECORD_BATCH)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(batch.batch.0.cast_signed())
        .bind(number(counts.created))
        .bind(number(counts.updated))
        .bind(number(counts.unchanged))
        .bind(number(counts.failed))
        .bind(number(counts.warnings))
        .bind(number(counts.blocked))
        .bind(number(counts.unblocked))
        .bind(batch.records_named_users.then_some(named))
        .bind(number(batch.rows.rows_without_key()))
        .bind(number(waiting))
        .execute(connection)
        .await?;
    Ok(())
}

/// Sums over the ledger of a job.
pub(crate) async fn sums(
    connection: &mut PgConnection,
    tenant: TenantId,
    job: JobId,
) -> Result<LedgerSums, sqlx::Error> {
    let row = fetch_row(connection, sqlx::query(sql::LEDGER_SUMS).bind(tenant.0).bind(job.0)).await?;
    ledger::sums(&row).map_err(unreadable)
}
