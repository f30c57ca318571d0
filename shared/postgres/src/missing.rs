//! Blocks the users whom no row of a job has named: the last batch of a job of which this is asked.
//!
//! It is part of the transaction that makes the job final. Before, every batch of the job is in the ledger;
//! if that transaction fails, nothing of it has happened, and whoever finishes the job next begins anew.

use muster_domain::{JobId, TenantId};
use sqlx::postgres::PgConnection;

use crate::reports::LedgerSums;
use crate::sql;

/// What became of missing users.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Missing {
    /// So many are blocked now.
    pub(crate) blocked: u64,
    /// So many would have been blocked, and were not because of the tenant's guard.
    pub(crate) kept: Option<u64>,
}

/// Whether it can be told who is missing: rows were good, and every row said whom it is about.
pub(crate) fn may_be_told(sums: &LedgerSums) -> bool {
    let counts = &sums.totals.counts;
    counts.rows() > counts.failed && sums.unnamed == 0
}

/// Blocks them, unless they are too many. Nothing if somebody else has done so.
pub(crate) async fn block(
    connection: &mut PgConnection,
    tenant: TenantId,
    job: JobId,
    batches: i32,
    bytes: i64,
) -> Result<Option<Missing>, sqlx::Error> {
    // Whoever comes second waits here; the job is final then.
    let claimed = sqlx::query(sql::SETTLE_MISSING)
        .bind(tenant.0)
        .bind(job.0)
        .bind(batches + 1)
        .bind(bytes)
        .bind(0)
        .execute(&mut *connection)
        .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    let (percent, at_least): (i32, i32) =
        sqlx::query_as(sql::TENANT_GUARD).bind(tenant.0).fetch_one(&mut *connection).await?;
    let (missing, active): (i64, i64) =
        sqlx::query_as(sql::COUNT_MISSING).bind(tenant.0).bind(job.0).fetch_one(&mut *connection).await?;
    if missing > (active * i64::from(percent) / 100).max(i64::from(at_least)) {
        tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file: none is blocked");
        return Ok(Some(Missing { blocked: 0, kept: Some(missing.cast_unsigned()) }));
    }
    let done =
        sqlx::query(sql::BLOCK_MISSING).bind(tenant.0).bind(job.0).bind(i64::MAX).execute(&mut *connection).await?;
    let blocked = done.rows_affected();
    sqlx::query(sql::COUNT_BLOCKED)
        .bind(tenant.0)
        .bind(job.0)
        .bind(batches + 1)
        .bind(i32::try_from(blocked).unwrap_or(i32::MAX))
        .execute(connection)
        .await?;
    Ok(Some(Missing { blocked, kept: None }))
}
