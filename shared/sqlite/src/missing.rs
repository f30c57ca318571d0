//! Blocks the missing users of a job, as an extra batch at its end.
//!
//! It is part of the transaction that makes the job final, and there is one writer, so no other write can interfere.
//! `shared/postgres` must produce the same users and counts.

use muster_domain::decision::{MissingGuard, MissingResult};
use muster_sql::{SqlRow, Unreadable};
use rusqlite::{Connection, params};

use crate::connection::row::decode;
use crate::sql;
use crate::waiting::FinalBatch;

/// Blocks missing users, unless the guard forbids it.
pub(crate) fn block(db: &Connection, last: &FinalBatch) -> rusqlite::Result<MissingResult> {
    let FinalBatch { tenant, job, batch, .. } = *last;
    db.execute(sql::CLAIM_FINAL_BATCH, params![tenant.0, job.0, batch.0, last.end_offset.cast_signed()])?;
    let guard = db.query_row(
        sql::MISSING_GUARD,
        [tenant.0],
        decode(|row| -> Result<_, Unreadable> {
            Ok(MissingGuard {
                percent: row.count("missing_guard_percent")?,
                always_allowed: row.count("missing_guard_min")?,
            })
        }),
    )?;
    let (missing, active) = db.query_row(
        sql::COUNT_MISSING,
        params![tenant.0, job.0],
        decode(|row| -> Result<_, Unreadable> { Ok((row.count("missing")?, row.count("active")?)) }),
    )?;
    if guard.forbids(missing, active) {
        tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file; none is blocked");
        return Ok(MissingResult { blocked: 0, kept: Some(missing) });
    }
    let blocked = db.execute(sql::BLOCK_MISSING, params![tenant.0, job.0, i64::MAX])?;
    let blocked = i64::try_from(blocked).unwrap_or(i64::MAX);
    db.execute(sql::RECORD_BLOCKED, params![tenant.0, job.0, batch.0, blocked])?;
    Ok(MissingResult { blocked: blocked.cast_unsigned(), kept: None })
}
