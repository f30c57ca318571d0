//! Writes uncontested users in bulk.

use std::collections::HashSet;

use muster_domain::CheckedRow;
use muster_domain::plan::Write;
use muster_domain::profile::StoredUser;
use muster_ports::BatchToApply;
use sqlx::postgres::PgConnection;

use super::Tally;
use super::copy::CopyText;
use super::lookup::LookupLevel;
use super::user::{self, UserWrite};
use crate::connection::error::Retry;
use crate::sql;
use crate::statements::{self, CREATE_STAGE};

/// More users than this are written by COPY, up to this many by one statement each. A COPY waits some 40 ms, because
/// its last small packet is delayed until the server acknowledges the one before (docs/decisions/0002); a statement
/// takes half a millisecond.
const COPY_THRESHOLD_USERS: usize = 32;

/// Updates changed users, each only if it is unchanged since it was looked up.
pub(super) async fn update(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    updates: &[(&StoredUser<'_>, Write<'_>)],
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    if updates.len() <= COPY_THRESHOLD_USERS {
        return update_few(connection, batch, updates, tally).await;
    }
    let mut text = CopyText::with_capacity(updates.len());
    for (user, write) in updates {
        text.push_looked_up(Some((user.id, user.version)));
        text.push_user(batch, write);
    }
    let statements = statements::for_shape(batch.rows.identity(), batch.rows.columns());
    sqlx::query(CREATE_STAGE.as_str()).execute(&mut *connection).await?;
    text.send(connection, &statements.copy_stage).await?;
    sqlx::query(sql::ALLOW_ALL_PLANS).execute(&mut *connection).await?;
    let done = sqlx::query(statements.update_staged.as_str()).execute(&mut *connection).await?;
    sqlx::query(sql::ALLOW_ONLY_LOOKUP_PLANS).execute(connection).await?;
    if done.rows_affected() < updates.len() as u64 {
        return Err(Retry::Changed.into());
    }
    for (_, write) in updates {
        tally.add(&write.merged);
    }
    Ok(())
}

/// Inserts new users: by COPY straight into the table, which is fastest but fails as a whole on any conflict; or
/// through the stage, which skips users that conflict with others. Returns the rows of the skipped users.
pub(super) async fn insert<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    writes: Vec<Write<'a>>,
    level: LookupLevel,
    tally: &mut Tally,
) -> Result<Vec<CheckedRow<'a>>, sqlx::Error> {
    if writes.len() <= COPY_THRESHOLD_USERS {
        return insert_few(connection, batch, writes, level, tally).await;
    }
    let statements = statements::for_shape(batch.rows.identity(), batch.rows.columns());
    let staged = level == LookupLevel::AroundConflicts;
    let mut text = CopyText::with_capacity(writes.len());
    for write in &writes {
        if staged {
            text.push_looked_up(None);
        }
        text.push_user(batch, write);
    }
    if !staged {
        text.send(connection, &statements.copy_users).await?;
        for write in &writes {
            tally.add(&write.merged);
        }
        return Ok(Vec::new());
    }
    sqlx::query(CREATE_STAGE.as_str()).execute(&mut *connection).await?;
    sqlx::query(sql::CLEAR_STAGE).execute(&mut *connection).await?;
    text.send(connection, &statements.copy_stage).await?;
    let inserted: Vec<String> = sqlx::query_scalar(statements.insert_staged.as_str()).fetch_all(connection).await?;
    let inserted: HashSet<&str> = inserted.iter().map(String::as_str).collect();
    let mut conflicting = Vec::new();
    for write in writes {
        if inserted.contains(write.merged.profile.username_key()) {
            tally.add(&write.merged);
        } else {
            conflicting.extend(write.rows);
        }
    }
    Ok(conflicting)
}

async fn update_few(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    updates: &[(&StoredUser<'_>, Write<'_>)],
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    for (stored, write) in updates {
        if !user::update(connection, batch, stored, &UserWrite::new(batch, write)).await? {
            return Err(Retry::LookUpMore.into());
        }
        tally.add(&write.merged);
    }
    Ok(())
}

async fn insert_few<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    writes: Vec<Write<'a>>,
    level: LookupLevel,
    tally: &mut Tally,
) -> Result<Vec<CheckedRow<'a>>, sqlx::Error> {
    let mut conflicting = Vec::new();
    for write in writes {
        if user::insert(connection, batch, &UserWrite::new(batch, &write)).await? {
            tally.add(&write.merged);
        } else if level == LookupLevel::AroundConflicts {
            conflicting.extend(write.rows);
        } else {
            return Err(Retry::LookUpMore.into());
        }
    }
    Ok(conflicting)
}
