//! Applies a batch: row by row, in line order, in one transaction.
//!
//! There is one writer, so no other write can happen between a lookup and a write, and only the order of the rows
//! decides conflicts. `shared/postgres` must produce the same users and counts.

use muster_domain::decision::{
    Holders, RowDecision, RowKeys, accepts_batch, decide_conflict, decide_row, expects_new_user, is_adoptable,
    named_keys, reject_unwritable_row,
};
use muster_domain::profile::{StoredUser, merge_rows};
use muster_domain::shape::{Columns, Identity};
use muster_domain::waiting::WaitingClaims;
use muster_domain::warning::MAX_KEPT_WARNINGS;
use muster_domain::{CheckedRow, Counts, JobState, Rejection, Warning};
use muster_ports::{Applied, BatchToApply};
use muster_runtime::failpoint;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use crate::connection::error::is_data_error;
use crate::ledger;
use crate::sql;
use crate::statements::for_shape;
use crate::user::{self, Lookup, UserWrites};
use crate::waiting;

/// Applies a batch.
pub(crate) fn apply(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<Applied> {
    let Some(has_waiting) = running_job(db, batch)? else { return Ok(Applied::NotRunning) };
    if let Some(counts) = ledger::counts(db, batch)? {
        return Ok(Applied::AlreadyApplied(counts));
    }
    let mut counts = batch.rows.initial_counts();
    for rejection in batch.rows.rejections() {
        ledger::insert_rejection(db, batch, rejection)?;
    }
    for warning in batch.rows.warnings() {
        ledger::insert_warning(db, batch, warning)?;
    }
    let mut statements = Statements::prepare(db, batch)?;
    let (mut claims, mut waiting) = (WaitingClaims::default(), 0);
    for row in batch.rows.rows() {
        if has_waiting {
            waiting::add_claims(db, batch, &row, &mut claims)?;
        }
        match apply_row(&mut statements, batch, row, &claims) {
            Ok(RowEnd::Applied(outcome, warnings)) => {
                statements.expects_new = expects_new_user(&row, &outcome);
                counts.add(&outcome);
                for warning in warnings.iter().filter(|_| counts.warnings <= MAX_KEPT_WARNINGS as u64) {
                    ledger::insert_warning(db, batch, warning)?;
                }
            }
            Ok(RowEnd::Rejected(rejection)) => {
                counts.failed += 1;
                ledger::insert_rejection(db, batch, &rejection)?;
            }
            Ok(RowEnd::Waits | RowEnd::Conflicts(_)) => {
                waiting += 1;
                claims.add(&row);
                waiting::insert(db, batch, &row)?;
            }
            // SQLite undoes the statement that failed, not the transaction.
            Err(error) if batch.row_by_row && is_data_error(&error) => {
                counts.failed += 1;
                ledger::insert_rejection(db, batch, &reject_unwritable_row(&row))?;
            }
            Err(error) => return Err(error),
        }
    }
    failpoint!(blocking "users_written");
    let named = if batch.records_named_users { Some(named_ids(db, batch)?) } else { None };
    ledger::record(db, batch, &counts, waiting, named.as_deref())?;
    Ok(Applied::Committed(counts))
}

/// Whether rows of earlier batches of the job wait; `None` if the job does not take the batch any more.
fn running_job(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<Option<bool>> {
    let found: Option<(String, bool, Option<u32>, bool)> = db
        .prepare_cached(sql::LOCK_JOB_SHARED)?
        .query_row(params![batch.tenant.0, batch.job.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let running = found.filter(|(state, stopping, total, _)| {
        let accepts = |state| accepts_batch(state, *stopping, total.map(u64::from), batch.batch);
        JobState::parse(state).is_some_and(accepts)
    });
    Ok(running.map(|(.., has_waiting)| has_waiting))
}

/// What happened to a row.
pub(crate) enum RowEnd {
    Applied(Counts, Vec<Warning>),
    Rejected(Rejection),
    /// It wants what a waiting row wants, or its user has a waiting row.
    Waits,
    /// It wants what another user has; this is its rejection if the rest of the file is applied.
    Conflicts(Rejection),
}

/// The prepared statements of a batch, kept because each lookup in the cache hashes the long text of a statement.
pub(crate) struct Statements<'db> {
    by_key: Lookup<'db>,
    by_login: Lookup<'db>,
    holders: CachedStatement<'db>,
    writes: UserWrites<'db>,
    /// Whether the previous row created a user. The next row is then expected to do so too, and its user is looked up
    /// only if a unique index rejects the insert: the result is the same, and a file of new users needs no lookup.
    expects_new: bool,
}

impl<'db> Statements<'db> {
    pub(crate) fn prepare(db: &'db Connection, batch: &BatchToApply) -> rusqlite::Result<Self> {
        let (identity, columns) = (batch.rows.identity(), batch.rows.columns());
        let by_login = &for_shape(Identity::Username, Columns::All).probe;
        Ok(Self {
            by_key: Lookup::prepare(db, &for_shape(identity, columns).probe)?,
            by_login: Lookup::prepare(db, by_login)?,
            holders: db.prepare_cached(sql::PROBE_HOLDERS)?,
            writes: UserWrites::prepare(db, for_shape(identity, columns))?,
            expects_new: false,
        })
    }
}

/// Applies a row, unless it has to wait.
pub(crate) fn apply_row(
    statements: &mut Statements<'_>,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    claims: &WaitingClaims,
) -> rusqlite::Result<RowEnd> {
    let Statements { by_key, by_login, holders, writes, expects_new } = statements;
    if *expects_new && row.unset_required_field().is_none() && !claims.concerns(&row) {
        let merged = merge_rows(batch.job, None, [row]);
        if !merged.has_too_many_attributes && writes.write(None, batch, row, &merged.profile)? {
            return Ok(RowEnd::Applied(merged.counts, Vec::new()));
        }
    }
    let keys = RowKeys::new(&row);
    let mut rows = by_key.statement.query(params![batch.tenant.0, keys.key])?;
    let stored = rows.next()?.map(|row| user::read(row, &by_key.columns)).transpose()?;
    let Some(login) = keys.login.filter(|_| stored.is_none()) else {
        if claims.must_wait(&row, stored.as_ref()) {
            return Ok(RowEnd::Waits);
        }
        return write_row(holders, writes, batch, row, stored.as_ref());
    };
    let mut rows = by_login.statement.query(params![batch.tenant.0, login])?;
    let stored = rows.next()?.map(|row| user::read(row, &by_login.columns)).transpose()?;
    let stored = stored.filter(is_adoptable);
    if claims.must_wait(&row, stored.as_ref()) {
        return Ok(RowEnd::Waits);
    }
    write_row(holders, writes, batch, row, stored.as_ref())
}

fn write_row(
    holders: &mut CachedStatement<'_>,
    writes: &mut UserWrites<'_>,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    stored: Option<&StoredUser<'_>>,
) -> rusqlite::Result<RowEnd> {
    let merged = match decide_row(batch.job, row, stored) {
        RowDecision::Reject(rejection) => return Ok(RowEnd::Rejected(rejection)),
        RowDecision::Unchanged(counts) => return Ok(RowEnd::Applied(counts, Vec::new())),
        RowDecision::Outdated => {
            tracing::error!(job = %batch.job, batch = %batch.batch, users = 1, "version check failed: user already written by a later row");
            return Ok(RowEnd::Applied(RowDecision::OUTDATED_COUNTS, Vec::new()));
        }
        RowDecision::Write { merged, .. } => merged,
    };
    let id = stored.map(|user| user.id);
    if writes.write(id, batch, row, &merged.profile)? {
        return Ok(RowEnd::Applied(merged.counts, merged.warnings));
    }
    let wanted = params![batch.tenant.0, RowKeys::new(&row).login, row.email_key()];
    let read =
        |row: &rusqlite::Row<'_>| Ok(Holders { login: row.get("login_holder")?, email: row.get("email_holder")? });
    let holders = holders.query_row(wanted, read)?;
    // There is one writer, so nothing changed since the lookup: another user holds the e-mail or login.
    let conflict = decide_conflict(&row, id, holders).ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(RowEnd::Conflicts(conflict))
}

/// The ids of the users whom the rows name, failed rows included, as a JSON array.
fn named_ids(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<String> {
    let keys = serde_json::Value::from(named_keys(&batch.rows)).to_string();
    db.prepare_cached(sql::PROBE_IDS_BY_UID)?.query_row(params![batch.tenant.0, keys], |row| row.get(0))
}
