//! Writes the users that have nothing to do with each other, in one go.

use std::collections::HashSet;

use muster_domain::plan::Write;
use muster_domain::profile::StoredUser;
use muster_domain::{CheckedRow, Dialect};
use muster_ports::BatchToApply;
use sqlx::postgres::PgConnection;

use super::copy::CopyText;
use super::look::Look;
use super::user::{self, UserWrite};
use super::{Outcome, moved, refused};
use crate::sql;

/// Up to so many users are written by a statement each. COPY waits some 40 ms for the end of its data where the
/// client's small packets wait for acknowledgements (docs/performance.md), a statement takes half a millisecond.
const FEW: usize = 32;

/// The statements with the columns that a batch can have.
struct Statements {
    copy_users: &'static str,
    copy_stage: &'static str,
    update_staged: &'static str,
}

impl Statements {
    fn of(batch: &BatchToApply) -> Self {
        match batch.rows.dialect() {
            Dialect::Spigit => Self {
                copy_users: sql::COPY_SPIGIT_USERS,
                copy_stage: sql::COPY_SPIGIT_STAGE,
                update_staged: sql::UPDATE_SPIGIT_STAGED,
            },
            Dialect::Collaborator => {
                Self { copy_users: sql::COPY_USERS, copy_stage: sql::COPY_STAGE, update_staged: sql::UPDATE_STAGED }
            }
        }
    }
}

/// Updates changed users, each only if it is still as it was probed.
pub(super) async fn update(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    updates: &[(&StoredUser<'_>, Write<'_>)],
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    if updates.len() <= FEW {
        return update_few(connection, batch, updates, outcome).await;
    }
    let mut text = CopyText::with_capacity(updates.len());
    for (user, write) in updates {
        text.push_target(Some((user.id, user.version)));
        text.push_user(batch, write);
    }
    let statements = Statements::of(batch);
    sqlx::query(sql::CREATE_STAGE).execute(&mut *connection).await?;
    text.send(connection, statements.copy_stage).await?;
    sqlx::query(sql::ALLOW_ALL_PLANS).execute(&mut *connection).await?;
    let done = sqlx::query(statements.update_staged).execute(&mut *connection).await?;
    sqlx::query(sql::ALLOW_LOOK_UPS_ONLY).execute(connection).await?;
    if done.rows_affected() < updates.len() as u64 {
        return Err(moved());
    }
    for (_, write) in updates {
        outcome.counts.add(&write.folded.counts);
    }
    Ok(())
}

/// Inserts new users: by COPY straight into the table, the fastest way, which fails as a whole on any conflict;
/// or through the stage, around conflicts. Gives back the rows of those that were in the way of others.
pub(super) async fn insert<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    writes: Vec<Write<'a>>,
    look: Look,
    outcome: &mut Outcome,
) -> Result<Vec<CheckedRow<'a>>, sqlx::Error> {
    if writes.len() <= FEW {
        return insert_few(connection, batch, writes, look, outcome).await;
    }
    let statements = Statements::of(batch);
    let staged = look == Look::AroundConflicts;
    let mut text = CopyText::with_capacity(writes.len());
    for write in &writes {
        if staged {
            text.push_target(None);
        }
        text.push_user(batch, write);
    }
    if !staged {
        text.send(connection, statements.copy_users).await?;
        for write in &writes {
            outcome.counts.add(&write.folded.counts);
        }
        return Ok(Vec::new());
    }
    sqlx::query(sql::CREATE_STAGE).execute(&mut *connection).await?;
    sqlx::query(sql::EMPTY_STAGE).execute(&mut *connection).await?;
    text.send(connection, statements.copy_stage).await?;
    let inserted: Vec<String> = sqlx::query_scalar(sql::INSERT_STAGED).fetch_all(connection).await?;
    let inserted: HashSet<&str> = inserted.iter().map(String::as_str).collect();
    let mut left = Vec::new();
    for write in writes {
        if inserted.contains(write.folded.profile.username_key()) {
            outcome.counts.add(&write.folded.counts);
        } else {
            left.extend(write.rows);
        }
    }
    Ok(left)
}

async fn update_few(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    updates: &[(&StoredUser<'_>, Write<'_>)],
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    for (stored, write) in updates {
        if !user::update(connection, batch, stored, &UserWrite::of(batch, write)).await? {
            return Err(refused());
        }
        outcome.counts.add(&write.folded.counts);
    }
    Ok(())
}

async fn insert_few<'a>(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    writes: Vec<Write<'a>>,
    look: Look,
    outcome: &mut Outcome,
) -> Result<Vec<CheckedRow<'a>>, sqlx::Error> {
    let mut left = Vec::new();
    for write in writes {
        if user::insert(connection, batch, &UserWrite::of(batch, &write)).await? {
            outcome.counts.add(&write.folded.counts);
        } else if look == Look::AroundConflicts {
            left.extend(write.rows);
        } else {
            return Err(refused());
        }
    }
    Ok(left)
}
