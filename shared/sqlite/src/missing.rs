//! Blocks the users whom no row of a job has named: the last batch of a job of which this is asked.
//!
//! It is part of the transaction that makes the job final, and there is one writer: nothing can come
//! between. `shared/postgres` must come to the same users and counts.

use muster_domain::missing::{Missing, is_guarded};
use muster_domain::{JobId, TenantId};
use rusqlite::{Connection, params};

use crate::sql;

/// Blocks them, unless they are too many.
pub(crate) fn block(
    db: &Connection,
    tenant: TenantId,
    job: JobId,
    batches: i64,
    bytes: i64,
) -> rusqlite::Result<Missing> {
    db.execute(sql::SETTLE_MISSING, params![tenant.0, job.0, batches + 1, bytes])?;
    let pair =
        |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()));
    let (percent, at_least) = db.query_row(sql::TENANT_GUARD, [tenant.0], pair)?;
    let (missing, active) = db.query_row(sql::COUNT_MISSING, params![tenant.0, job.0], pair)?;
    if is_guarded(missing, active, percent, at_least) {
        tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file: none is blocked");
        return Ok(Missing { blocked: 0, kept: Some(missing) });
    }
    let blocked = db.execute(sql::BLOCK_MISSING, params![tenant.0, job.0, i64::MAX])?;
    let blocked = i64::try_from(blocked).unwrap_or(i64::MAX);
    db.execute(sql::COUNT_BLOCKED, params![tenant.0, job.0, batches + 1, blocked])?;
    Ok(Missing { blocked: blocked.cast_unsigned(), kept: None })
}
