//! Blocks the missing users of a job, under an extra batch at its end.
//!
//! The decision is taken once. Up to 10,000 missing users are blocked in the same transaction, which makes the job final.
//! More are listed; pieces of the list follow in transactions of their own, between which other writes have their turn.
//! `shared/postgres` must produce the same users and counts.

use muster_domain::decision::{MISSING_USERS_PER_PIECE, MissingDecision, MissingGuard, MissingResult};
use muster_domain::{JobId, TenantId};
use muster_sql::{SqlRow, Unreadable};
use rusqlite::{Connection, OptionalExtension, params};

use crate::connection::row::decode;
use crate::sql;
use crate::waiting::FinalBatch;

/// How many of the missing users are blocked.
pub(crate) enum Blocked {
    /// All of them, or none by decision.
    All(MissingResult),
    /// Some of them are still listed.
    Some,
}

/// Decides about the missing users, and blocks them unless they are many.
pub(crate) fn decide(db: &Connection, last: &FinalBatch) -> rusqlite::Result<Blocked> {
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
    match guard.decide(missing, active) {
        MissingDecision::Keep => {
            tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file; none is blocked");
            Ok(Blocked::All(MissingResult { blocked: 0, kept: Some(missing) }))
        }
        MissingDecision::BlockAtOnce => {
            let blocked = db.execute(sql::BLOCK_MISSING, params![tenant.0, job.0, i64::MAX])?;
            record(db, last, blocked)?;
            Ok(Blocked::All(MissingResult { blocked: blocked as u64, kept: None }))
        }
        MissingDecision::BlockInPieces => {
            db.execute(sql::LIST_MISSING, params![tenant.0, job.0, MISSING_USERS_PER_PIECE.cast_signed()])?;
            Ok(Blocked::Some)
        }
    }
}

/// Blocks the first listed piece of the missing users. What it blocks is in the ledger; the result counts nothing.
pub(crate) fn block_piece(db: &Connection, last: &FinalBatch) -> rusqlite::Result<Blocked> {
    let FinalBatch { tenant, job, .. } = *last;
    let taken = db.query_row(sql::TAKE_MISSING_PIECE, params![tenant.0, job.0], |row| row.get::<_, String>(0));
    let Some(users) = taken.optional()? else { return Ok(Blocked::All(MissingResult::default())) };
    let blocked = db.execute(sql::BLOCK_LISTED, params![tenant.0, job.0, i64::MAX, users])?;
    record(db, last, blocked)?;
    Ok(Blocked::Some)
}

/// Forgets the listed missing users of a job that is being stopped.
pub(crate) fn forget(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<()> {
    db.execute(sql::FORGET_MISSING, params![tenant.0, job.0]).map(drop)
}

fn record(db: &Connection, last: &FinalBatch, blocked: usize) -> rusqlite::Result<()> {
    let blocked = i64::try_from(blocked).unwrap_or(i64::MAX);
    db.execute(sql::RECORD_BLOCKED, params![last.tenant.0, last.job.0, last.batch.0, blocked]).map(drop)
}
