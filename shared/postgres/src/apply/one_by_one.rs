//! Applies rows one at a time, in line order, as a single-threaded run would.

use muster_domain::profile::{Folded, StoredUser, Version, fold};
use muster_domain::{CheckedRow, Rejection, RejectionCode};
use muster_ports::BatchToApply;
use sqlx::postgres::{PgArguments, PgConnection};
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
                reject(outcome, row, RejectionCode::NotApplied, "the database refused this row");
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
    let rows = probe::users_by_key(connection, batch, &[row.key()]).await?;
    let stored = rows.first().map(probe::read_user).transpose()?;
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
    } else if has_other_holder(connection, batch, row).await? {
        reject(outcome, row, RejectionCode::ConflictEmail, "EMAIL belongs to another user");
    } else {
        return Err(moved());
    }
    Ok(())
}

/// Whether a row was not written because of its e-mail, not because its user moved meanwhile.
async fn has_other_holder(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
) -> Result<bool, sqlx::Error> {
    let holders = probe::holders_of(connection, batch, &[row.email_key()]).await?;
    Ok(probe::read_holders(&holders)?.values().any(|holder| *holder != row.key()))
}

fn reject(outcome: &mut Outcome, row: CheckedRow<'_>, code: RejectionCode, message: &str) {
    let column = (code == RejectionCode::ConflictEmail).then(|| "EMAIL".to_owned());
    outcome.counts.failed += 1;
    outcome.rejections.push(Rejection { line: row.line(), column, code, message: message.to_owned() });
}

/// False if another user has the e-mail.
async fn insert(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    folded: &Folded<'_>,
) -> Result<bool, sqlx::Error> {
    let attributes = folded.profile.attributes_json();
    let query = bind_user(sqlx::query(sql::INSERT_USER), batch, row, folded, attributes.as_deref());
    Ok(query.fetch_optional(connection).await?.is_some())
}

/// False if another user has the e-mail.
async fn update(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    user: &StoredUser<'_>,
    folded: &Folded<'_>,
) -> Result<bool, sqlx::Error> {
    let attributes = folded.profile.attributes_json();
    let query = bind_user(sqlx::query(sql::UPDATE_USER), batch, row, folded, attributes.as_deref());
    let done = query.bind(user.version.job).bind(user.version.line).execute(connection).await?;
    Ok(done.rows_affected() > 0)
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
    let query = query.bind(batch.tenant.0).bind(version.job).bind(version.line).bind(row.key());
    let query = query.bind(folded.profile.email_key());
    let query = folded.profile.values().iter().fold(query, |query, value| query.bind(*value));
    query.bind(attributes)
}
