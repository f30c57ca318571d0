//! Applies rows one at a time, in line order, as a single-threaded run would.

use muster_domain::decision::{
    Holders, RowDecision, RowKeys, decide_conflict, decide_row, is_adoptable, reject_unwritable_row,
};
use muster_domain::{CheckedRow, RowDigest};
use muster_ports::BatchToApply;
use sqlx::Executor;
use sqlx::postgres::{PgConnection, PgRow};

use super::user::{self, UserWrite};
use super::{Tally, log_outdated, probe};
use crate::connection::error::{Retry, is_data_error, is_unique_violation};

/// Applies contested rows.
pub(super) async fn apply<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rows: impl IntoIterator<Item = CheckedRow<'a>>,
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    for row in rows {
        apply_row(connection, batch, row, tally).await?;
    }
    Ok(())
}

/// Applies each row under a savepoint of its own, so that a row which the database rejects fails alone.
pub(super) async fn apply_isolated<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rows: impl IntoIterator<Item = CheckedRow<'a>>,
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    for row in rows {
        connection.execute("savepoint row").await?;
        match apply_row(connection, batch, row, tally).await {
            Ok(()) => connection.execute("release savepoint row").await?,
            // Another batch has just taken the e-mail: the next attempt sees it.
            Err(error) if is_unique_violation(&error) => return Err(error),
            Err(error) if is_data_error(&error) => {
                tally.reject(reject_unwritable_row(&row));
                connection.execute("rollback to savepoint row").await?
            }
            // The database is at fault, or another transaction: the whole batch is tried again later.
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

async fn apply_row(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    let found = find(connection, batch, row).await?;
    let stored = found.as_ref().map(probe::read_user).transpose()?;
    if tally.claims.must_wait(&row, stored.as_ref()) {
        tally.wait(&row);
        return Ok(());
    }
    let (merged, version) = match decide_row(batch.job, row, stored.as_ref()) {
        RowDecision::Reject(rejection) => {
            tally.reject(rejection);
            return Ok(());
        }
        RowDecision::Unchanged(counts) => {
            tally.counts.add(&counts);
            return Ok(());
        }
        RowDecision::Outdated => {
            log_outdated(batch, 1);
            tally.counts.add(&RowDecision::OUTDATED_COUNTS);
            return Ok(());
        }
        RowDecision::Write { merged, version } => (merged, version),
    };
    let write = UserWrite { merged: &merged, version, digest: RowDigest::compute(&row) };
    let is_written = match &stored {
        Some(user) => user::update(connection, batch, user, &write).await?,
        None => user::insert(connection, batch, &write).await?,
    };
    if is_written {
        tally.add(&merged);
        return Ok(());
    }
    let holders = holders(connection, batch, row).await?;
    let conflict = decide_conflict(&row, stored.map(|user| user.id), holders).ok_or(Retry::Changed)?;
    if tally.conflicts_fail {
        tally.reject(conflict);
    } else {
        tally.wait(&row);
    }
    Ok(())
}

/// The user of a row, by its key or else by its login.
async fn find(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
) -> Result<Option<PgRow>, sqlx::Error> {
    let keys = RowKeys::new(&row);
    let found = probe::user_by_key(connection, batch, keys.key).await?;
    let Some(login) = keys.login.filter(|_| found.is_none()) else { return Ok(found) };
    let found = probe::user_by_login(connection, batch, login).await?;
    let adoptable = found.as_ref().map(probe::read_user).transpose()?.is_some_and(|user| is_adoptable(&user));
    Ok(found.filter(|_| adoptable))
}

/// Who holds the login and the e-mail that a row wants.
async fn holders(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
) -> Result<Holders, sqlx::Error> {
    let login = RowKeys::new(&row).login;
    let logins = probe::holders_of_logins(connection, batch, login.as_slice()).await?;
    let emails = probe::holders_of_emails(connection, batch, row.email_key().as_slice()).await?;
    let only = |rows: &[PgRow]| probe::read_holders(rows).map(|holders| holders.values().next().copied());
    Ok(Holders { login: only(&logins)?, email: only(&emails)? })
}
