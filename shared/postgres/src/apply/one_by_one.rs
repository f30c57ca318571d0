//! Applies rows one at a time, in line order, as a single-threaded run would.

use muster_domain::profile::{Version, fold};
use muster_domain::{CheckedRow, Field, Rejection, RejectionCode, RowDigest};
use muster_ports::BatchToApply;
use sqlx::Executor;
use sqlx::postgres::{PgConnection, PgRow};

use super::user::{self, UserWrite};
use super::{Outcome, moved, probe};
use crate::error::{is_unique_violation, leaves_connection_usable, store_error};

/// Applies contested rows.
pub(super) async fn apply<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rows: impl IntoIterator<Item = CheckedRow<'a>>,
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    for row in rows {
        apply_row(connection, batch, row, outcome).await?;
    }
    Ok(())
}

/// Applies every row behind a savepoint, so that one which the database refuses fails alone.
pub(super) async fn isolated<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rows: impl IntoIterator<Item = CheckedRow<'a>>,
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    for row in rows {
        connection.execute("savepoint row").await?;
        match apply_row(connection, batch, row, outcome).await {
            Ok(()) => connection.execute("release savepoint row").await?,
            // Another batch has just taken the e-mail: the next attempt sees it.
            Err(error) if is_unique_violation(&error) => return Err(error),
            Err(error) if leaves_connection_usable(&error) => {
                if store_error(error).is_transient() {
                    return Err(moved());
                }
                outcome.reject(row.reject(None, RejectionCode::NotApplied, "the database refused this row"));
                connection.execute("rollback to savepoint row").await?
            }
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

async fn apply_row(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    let found = find(connection, batch, row).await?;
    let stored = found.as_ref().map(probe::read_user).transpose()?;
    if let (None, Some(field)) = (&stored, row.missing_for_new()) {
        let name = row.name_of(field);
        outcome.reject(row.reject(Some(name), RejectionCode::ValueEmpty, format!("{name} is missing")));
        return Ok(());
    }
    let folded = fold(stored.as_ref().map(|user| &user.profile), [row]);
    let version = Version::new(batch.job, row.line());
    if stored.as_ref().is_some_and(|user| user.version >= version) {
        tracing::error!(job = %batch.job, batch = %batch.batch, "a later row has written a user before an earlier one");
        outcome.counts.unchanged += 1;
        return Ok(());
    }
    let write = UserWrite { folded: &folded, version, digest: RowDigest::of(&row) };
    let written = match (&stored, folded.written_by) {
        (_, None) => true,
        (Some(user), Some(_)) => user::update(connection, batch, user, &write).await?,
        (None, Some(_)) => user::insert(connection, batch, &write).await?,
    };
    if written {
        outcome.counts.add(&folded.counts);
    } else if let Some(conflict) = conflict(connection, batch, row, stored.map(|user| user.id)).await? {
        outcome.reject(conflict);
    } else {
        return Err(moved());
    }
    Ok(())
}

/// The user whom a row is about. A login of the Collaborator API names a user who has no uid yet.
async fn find(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
) -> Result<Option<PgRow>, sqlx::Error> {
    let found = probe::user_of(connection, batch, row).await?;
    match row.username_key() {
        Some(login) if found.is_none() && row.is_found_by_uid() => {
            probe::user_without_uid(connection, batch, login).await
        }
        _ => Ok(found),
    }
}

/// Why a row was not written, if it is not that its user moved meanwhile.
async fn conflict(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    own: Option<i64>,
) -> Result<Option<Rejection>, sqlx::Error> {
    let logins: Vec<&str> = row.username_key().filter(|_| row.is_found_by_uid()).into_iter().collect();
    let emails: Vec<&str> = row.email_key().into_iter().collect();
    let by_login = probe::holders_of_logins(connection, batch, &logins).await?;
    let by_email = probe::holders_of_emails(connection, batch, &emails).await?;
    let is_another = |rows: &[PgRow]| -> Result<bool, sqlx::Error> {
        Ok(probe::read_holders(rows)?.values().any(|holder| Some(*holder) != own))
    };
    let (field, code) = if is_another(&by_login)? {
        (Field::Username, RejectionCode::ConflictLogin)
    } else if is_another(&by_email)? {
        (Field::Email, RejectionCode::ConflictEmail)
    } else {
        return Ok(None);
    };
    let name = row.name_of(field);
    Ok(Some(row.reject(Some(name), code, format!("{name} belongs to another user"))))
}
