//! Applies rows one at a time, in line order, as a single-threaded run would.

use muster_domain::profile::{Folded, StoredUser, Version, fold};
use muster_domain::{CheckedRow, Field, Rejection, RejectionCode, RowDigest};
use muster_ports::BatchToApply;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::{Executor, Postgres, query::Query};

use super::{Outcome, moved, probe};
use crate::error::{is_unique_violation, leaves_connection_usable, store_error};
use crate::sql;

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
    if stored.as_ref().is_some_and(|user| user.version >= Version::new(batch.job, row.line())) {
        tracing::error!(job = %batch.job, batch = %batch.batch, "a later row has written a user before an earlier one");
        outcome.counts.unchanged += 1;
        return Ok(());
    }
    let written = match (&stored, folded.written_by) {
        (_, None) => true,
        (Some(user), Some(_)) => update(connection, batch, row, user, &folded).await?,
        (None, Some(_)) => insert(connection, batch, row, &folded).await?,
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

/// False if another user has the e-mail or the login.
async fn insert(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    folded: &Folded<'_>,
) -> Result<bool, sqlx::Error> {
    let attributes = folded.profile.attributes_json();
    let query = bind_user(sqlx::query(sql::INSERT_USER), batch, row, folded, attributes.as_deref());
    Ok(query.bind(folded.profile.password_hash()).fetch_optional(connection).await?.is_some())
}

/// False if another user has the e-mail or the login.
async fn update(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    user: &StoredUser<'_>,
    folded: &Folded<'_>,
) -> Result<bool, sqlx::Error> {
    let attributes = folded.profile.attributes_json();
    let query = bind_user(sqlx::query(sql::UPDATE_USER), batch, row, folded, attributes.as_deref());
    let query = query.bind(user.id).bind(user.version.job).bind(user.version.line);
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

type UserQuery<'q> = Query<'q, Postgres, PgArguments>;

/// Binds the columns in the order of `insert_user.sql`.
fn bind_user<'q>(
    query: UserQuery<'q>,
    batch: &BatchToApply,
    row: CheckedRow<'q>,
    folded: &Folded<'q>,
    attributes: Option<&'q str>,
) -> UserQuery<'q> {
    let version = Version::new(batch.job, row.line());
    let query = query.bind(batch.tenant.0).bind(version.job).bind(version.line);
    let query = query.bind(folded.profile.username_key()).bind(folded.profile.email_key());
    let query = folded.profile.values().iter().fold(query, |query, value| query.bind(*value));
    query.bind(attributes).bind(RowDigest::of(&row).0.to_vec())
}
