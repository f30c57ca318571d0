//! Blocks the users whom no row of a job has named: the last batch of a job of which this is asked.
//!
//! It is part of the transaction that makes the job final, and there is one writer: nothing can come
//! between. `shared/postgres` must come to the same users and counts.

use muster_domain::{JobId, TenantId};
use rusqlite::{Connection, params};

use crate::reports::LedgerSums;
use crate::sql;

/// What became of missing users.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Missing {
    /// So many are blocked now.
    pub(crate) blocked: u64,
    /// So many would have been blocked, and were not because of the tenant's guard.
    pub(crate) kept: Option<i64>,
}

/// Whether it can be told who is missing: rows were good, and every row said whom it is about.
pub(crate) fn may_be_told(sums: &LedgerSums) -> bool {
    let counts = &sums.totals.counts;
    counts.rows() > counts.failed && sums.unnamed == 0
}

/// Blocks them, unless they are too many.
pub(crate) fn block(
    db: &Connection,
    tenant: TenantId,
    job: JobId,
    batches: i64,
    bytes: i64,
) -> rusqlite::Result<Missing> {
    db.execute(sql::SETTLE_MISSING, params![tenant.0, job.0, batches + 1, bytes, 0])?;
    let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (percent, at_least) = db.query_row(sql::TENANT_GUARD, [tenant.0], pair)?;
    let (missing, active) = db.query_row(sql::COUNT_MISSING, params![tenant.0, job.0], pair)?;
    if missing > (active * percent / 100).max(at_least) {
        tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file: none is blocked");
        return Ok(Missing { blocked: 0, kept: Some(missing) });
    }
    let blocked = db.execute(sql::BLOCK_MISSING, params![tenant.0, job.0, i64::MAX])?;
    let blocked = i64::try_from(blocked).unwrap_or(i64::MAX);
    db.execute(sql::COUNT_BLOCKED, params![tenant.0, job.0, batches + 1, blocked])?;
    Ok(Missing { blocked: blocked.cast_unsigned(), kept: None })
}
