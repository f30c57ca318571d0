//! Blocks the missing users of a job, under an extra batch at its end.
//!
//! By then every batch of the job is in the ledger. The decision is taken once. Up to 10,000 missing users are blocked in
//! the same transaction, which makes the job final. More are listed; pieces of the list follow in transactions of their
//! own, so that the job can be canceled meanwhile, and a process that dies has little to do again.

use muster_domain::decision::{MISSING_USERS_PER_PIECE, MissingDecision, MissingGuard, MissingResult};
use muster_domain::{JobId, TenantId};
use muster_sql::SqlRow;
use sqlx::postgres::PgConnection;

use crate::apply::waiting::FinalBatch;
use crate::connection::query::{fetch_row, unreadable};
use crate::sql;

/// How many of the missing users are blocked.
pub(crate) enum Blocked {
    /// All of them, or none by decision.
    All(MissingResult),
    /// Some of them are still listed.
    Some,
}

/// Decides about the missing users, and blocks them unless they are many. The extra batch at the end of the job is claimed.
pub(crate) async fn decide(connection: &mut PgConnection, last: &FinalBatch) -> Result<Blocked, sqlx::Error> {
    let FinalBatch { tenant, job, .. } = *last;
    sqlx::query(sql::ALLOW_LONG_STATEMENTS).execute(&mut *connection).await?;
    let guard = fetch_row(connection, sqlx::query(sql::MISSING_GUARD).bind(tenant.0)).await?;
    let guard = MissingGuard {
        percent: guard.count("missing_guard_percent").map_err(unreadable)?,
        always_allowed: guard.count("missing_guard_min").map_err(unreadable)?,
    };
    let found = fetch_row(connection, sqlx::query(sql::COUNT_MISSING).bind(tenant.0).bind(job.0)).await?;
    let (missing, active) = (found.count("missing").map_err(unreadable)?, found.count("active").map_err(unreadable)?);
    match guard.decide(missing, active) {
        MissingDecision::Keep => {
            tracing::warn!(%job, %tenant, missing, active, "too many users are missing from a file; none is blocked");
            Ok(Blocked::All(MissingResult { blocked: 0, kept: Some(missing) }))
        }
        MissingDecision::BlockAtOnce => {
            let statement = sqlx::query(sql::BLOCK_MISSING).bind(tenant.0).bind(job.0).bind(i64::MAX);
            let blocked = statement.execute(&mut *connection).await?.rows_affected();
            record(connection, last, blocked).await?;
            Ok(Blocked::All(MissingResult { blocked, kept: None }))
        }
        MissingDecision::BlockInPieces => {
            let statement = sqlx::query(sql::LIST_MISSING).bind(tenant.0).bind(job.0);
            statement.bind(MISSING_USERS_PER_PIECE.cast_signed()).execute(connection).await?;
            Ok(Blocked::Some)
        }
    }
}

/// Blocks the first listed piece of the missing users. What it blocks is in the ledger; the result counts nothing.
pub(crate) async fn block_piece(connection: &mut PgConnection, last: &FinalBatch) -> Result<Blocked, sqlx::Error> {
    let FinalBatch { tenant, job, .. } = *last;
    let statement = sqlx::query_scalar(sql::TAKE_MISSING_PIECE).bind(tenant.0).bind(job.0);
    let users: Option<Vec<i64>> = statement.fetch_optional(&mut *connection).await?;
    let Some(users) = users else { return Ok(Blocked::All(MissingResult::default())) };
    let statement = sqlx::query(sql::BLOCK_LISTED).bind(tenant.0).bind(job.0).bind(i64::MAX).bind(users);
    let blocked = statement.execute(&mut *connection).await?.rows_affected();
    record(connection, last, blocked).await?;
    Ok(Blocked::Some)
}

/// Forgets the listed missing users of a job that is being stopped.
pub(crate) async fn forget(connection: &mut PgConnection, tenant: TenantId, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query(sql::FORGET_MISSING).bind(tenant.0).bind(job.0).execute(connection).await.map(drop)
}

async fn record(connection: &mut PgConnection, last: &FinalBatch, blocked: u64) -> Result<(), sqlx::Error> {
    let statement = sqlx::query(sql::RECORD_BLOCKED).bind(last.tenant.0).bind(last.job.0);
    let statement = statement.bind(last.batch.0.cast_signed()).bind(i32::try_from(blocked).unwrap_or(i32::MAX));
    statement.execute(connection).await.map(drop)
}
