//! Blocks the missing users of a job, as an extra batch at its end.
//!
//! It is part of the transaction that makes the job final. By then every batch of the job is in the ledger. If the
//! transaction fails, nothing has changed, and the next process to finish the job starts again.

use muster_domain::decision::{MissingGuard, MissingResult};
use muster_sql::SqlRow;
use sqlx::postgres::PgConnection;

use crate::apply::waiting::FinalBatch;
use crate::connection::query::{fetch_row, unreadable};
use crate::sql;

/// Blocks missing users, unless the guard forbids it. The extra batch at the end of the job is claimed.
pub(crate) async fn block(connection: &mut PgConnection, last: &FinalBatch) -> Result<MissingResult, sqlx::Error> {
    let FinalBatch { tenant, job, batch, .. } = *last;
    sqlx::query(sql::ALLOW_LONG_STATEMENTS).execute(&mut *connection).await?;
    let guard = fetch_row(connection, sqlx::query(sql::MISSING_GUARD).bind(tenant.0)).await?;
    let guard = MissingGuard {
        percent: guard.count("missing_guard_percent").map_err(unreadable)?,
        always_allowed: guard.count("missing_guard_min").map_err(unreadable)?,
    };
    let found = fetch_row(connection, sqlx::query(sql::COUNT_MISSING).bind(tenant.0).bind(job.0)).await?;
    let (missing, active) = (found.count("missing").map_err(unreadable)?, found.count("active").map_err(unreadable)?);
    if guard.forbids(missing, active) {
        tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file; none is blocked");
        return Ok(MissingResult { blocked: 0, kept: Some(missing) });
    }
    let done =
        sqlx::query(sql::BLOCK_MISSING).bind(tenant.0).bind(job.0).bind(i64::MAX).execute(&mut *connection).await?;
    let blocked = done.rows_affected();
    sqlx::query(sql::RECORD_BLOCKED)
        .bind(tenant.0)
        .bind(job.0)
        .bind(batch.0.cast_signed())
        .bind(i32::try_from(blocked).unwrap_or(i32::MAX))
        .execute(connection)
        .await?;
    Ok(MissingResult { blocked, kept: None })
}
