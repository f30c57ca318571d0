//! Blocks the users whom no row of a job has named: the last batch of a job of which this is asked.
//!
//! It is part of the transaction that makes the job final. Before, every batch of the job is in the ledger;
//! if that transaction fails, nothing of it has happened, and whoever finishes the job next begins anew.

use muster_domain::missing::{Missing, is_guarded};
use muster_domain::{JobId, TenantId};
use sqlx::postgres::PgConnection;

use crate::sql;

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
        .execute(&mut *connection)
        .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    let (percent, at_least): (i32, i32) =
        sqlx::query_as(sql::TENANT_GUARD).bind(tenant.0).fetch_one(&mut *connection).await?;
    let (missing, active): (i64, i64) =
        sqlx::query_as(sql::COUNT_MISSING).bind(tenant.0).bind(job.0).fetch_one(&mut *connection).await?;
    let [missing, active] = [missing, active].map(i64::cast_unsigned);
    let [percent, at_least] = [percent, at_least].map(|limit| u64::from(limit.cast_unsigned()));
    if is_guarded(missing, active, percent, at_least) {
        tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file: none is blocked");
        return Ok(Some(Missing { blocked: 0, kept: Some(missing) }));
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
