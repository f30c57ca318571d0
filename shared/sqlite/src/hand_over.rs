//! The decision about the waiting rows of a job, at its end.
//!
//! It is part of the transaction that makes the job final, and there is one writer, so no other write can interfere.
//! `shared/postgres` must produce the same users and counts.

use std::collections::HashMap;

use muster_domain::decision::{RowKeys, reject_unwritable_row};
use muster_domain::hand_over::{self, NumberedRow, Waiting};
use muster_domain::shape::Identity;
use muster_domain::waiting::WaitingClaims;
use muster_domain::warning::MAX_KEPT_WARNINGS;
use muster_domain::{CheckedRow, Counts, Rejection, RejectionCode};
use muster_ports::BatchToApply;
use muster_sql::jobs;
use rusqlite::{Connection, OptionalExtension, params};

use crate::apply::{RowEnd, Statements, apply_row};
use crate::connection::error::is_data_error;
use crate::connection::row::decode;
use crate::ledger;
use crate::sql;
use crate::statements::for_shape;
use crate::waiting::{self, FinalBatch};

/// Decides about all waiting rows of the job and writes what they change.
pub(crate) fn decide_all(db: &Connection, last: &FinalBatch) -> rusqlite::Result<()> {
    let numbers = number(db, last)?;
    let mut failed: HashMap<u64, Rejection> = HashMap::new();
    let (counts, rejections) = loop {
        db.execute_batch("savepoint hand_over")?;
        match attempt(db, last, &numbers, &failed)? {
            Ok(end) => break end,
            // These rows fail although they were to be applied. The decisions are made again without them.
            Err(rejections) => failed.extend(rejections.into_iter().map(|rejection| (rejection.line, rejection))),
        }
        db.execute_batch("rollback to savepoint hand_over")?;
    };
    db.execute_batch("release savepoint hand_over")?;
    let batch = last.with_rows(&[])?;
    for rejection in &rejections {
        ledger::insert_rejection(db, &batch, rejection)?;
    }
    name_holders(db, last, &rejections)?;
    ledger::record(db, &batch, &counts, 0, None)?;
    waiting::delete(db, last.tenant, last.job)
}

/// Records in the rejections who has what the rows wanted.
fn name_holders(db: &Connection, last: &FinalBatch, rejections: &[Rejection]) -> rusqlite::Result<()> {
    for (code, statement) in [
        (RejectionCode::ConflictEmail, sql::NAME_EMAIL_HOLDERS),
        (RejectionCode::ConflictLogin, sql::NAME_LOGIN_HOLDERS),
    ] {
        if rejections.iter().any(|rejection| rejection.code == code) {
            db.prepare_cached(statement)?.execute(params![last.tenant.0, last.job.0])?;
        }
    }
    Ok(())
}

fn number(db: &Connection, last: &FinalBatch) -> rusqlite::Result<Vec<NumberedRow>> {
    let mut statement = db.prepare_cached(&for_shape(last.shape.identity, last.shape.columns).number_waiting)?;
    statement.query_map(params![last.tenant.0, last.job.0], decode(|row| jobs::numbered_row(row)))?.collect()
}

/// Applies the decisions: returns the counts and the rejections, or the rows that fail although they were to be applied.
type AttemptEnd = Result<(Counts, Vec<Rejection>), Vec<Rejection>>;

fn attempt(
    db: &Connection,
    last: &FinalBatch,
    numbers: &[NumberedRow],
    failed: &HashMap<u64, Rejection>,
) -> rusqlite::Result<AttemptEnd> {
    let decisions = hand_over::decide(&Waiting::from_numbers(numbers, |line| failed.contains_key(&line)));
    let mut counts = Counts::default();
    let mut statements = Statements::prepare(db, &last.with_rows(&[])?)?;
    for group in &decisions.groups {
        let batch = load(db, last, numbers, group)?;
        if group.len() > 1 {
            for row in batch.rows.rows() {
                release(db, &batch, &row)?;
            }
        }
        for row in batch.rows.rows() {
            match apply_row(&mut statements, &batch, row, &WaitingClaims::default()) {
                Ok(RowEnd::Applied(outcome, warnings)) => {
                    counts.add(&outcome);
                    for warning in warnings.iter().filter(|_| counts.warnings <= MAX_KEPT_WARNINGS as u64) {
                        ledger::insert_warning(db, &batch, warning)?;
                    }
                }
                Ok(RowEnd::Rejected(rejection) | RowEnd::Conflicts(rejection)) => return Ok(Err(vec![rejection])),
                Ok(RowEnd::Waits) => {}
                Err(error) if is_data_error(&error) => return Ok(Err(vec![reject_unwritable_row(&row)])),
                Err(error) => return Err(error),
            }
        }
    }
    let mut rejections = Vec::with_capacity(decisions.rejected.len());
    for (position, reason) in &decisions.rejected {
        let batch = load(db, last, numbers, &[*position])?;
        for row in batch.rows.rows() {
            let known = failed.get(&row.line()).cloned();
            rejections.push(known.unwrap_or_else(|| hand_over::reject(&row, *reason)));
        }
    }
    counts.failed = rejections.len() as u64;
    Ok(Ok((counts, rejections)))
}

/// Lets the user of a row give up the e-mail and the login that it is about to change.
fn release(db: &Connection, batch: &BatchToApply, row: &CheckedRow<'_>) -> rusqlite::Result<()> {
    let keys = RowKeys::new(row);
    let mut id = user_id(db, batch, batch.rows.identity(), keys.key)?;
    if let (None, Some(login)) = (id, keys.login) {
        id = user_id(db, batch, Identity::Username, login)?;
    }
    let Some(id) = id else { return Ok(()) };
    if let Some(email) = row.email_key() {
        db.prepare_cached(sql::RELEASE_EMAILS)?.execute(params![batch.tenant.0, id, email])?;
    }
    if let Some(login) = keys.login {
        db.prepare_cached(sql::RELEASE_LOGINS)?.execute(params![batch.tenant.0, id, login])?;
    }
    Ok(())
}

fn user_id(db: &Connection, batch: &BatchToApply, identity: Identity, key: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = db.prepare_cached(&for_shape(identity, batch.rows.columns()).probe)?;
    statement.query_row(params![batch.tenant.0, key], |row| row.get("id")).optional()
}

/// Reads waiting rows as a batch.
fn load(
    db: &Connection,
    last: &FinalBatch,
    numbers: &[NumberedRow],
    positions: &[usize],
) -> rusqlite::Result<BatchToApply> {
    let mut statement = db.prepare_cached(sql::WAITING_ROWS)?;
    let mut rows = Vec::with_capacity(positions.len());
    for position in positions {
        let values = params![last.tenant.0, last.job.0, numbers[*position].line.cast_signed()];
        rows.push(statement.query_row(values, |row| row.get::<_, String>(0))?);
    }
    last.with_rows(&rows)
}
