//! Computes the keys of stored users again when the rules for keys have changed.
//!
//! It runs between two migrations: if it is interrupted, the next start does it again. A key that another user has is tried
//! again as long as other keys change, because that user may give it up.

use muster_sql::keys::{KeyKind, REKEY_USERS, Rekey, rekey};
use rusqlite::{Connection, params};

use crate::connection::row::decode;
use crate::sql;

/// Computes all keys again and records the users who cannot have theirs.
pub(crate) fn run(db: &mut Connection) -> rusqlite::Result<()> {
    while pass(db, false)? > 0 {}
    pass(db, true).map(drop)
}

/// Goes through all users once, a transaction for each page. Returns how many keys changed.
fn pass(db: &mut Connection, records_clashes: bool) -> rusqlite::Result<usize> {
    let (mut tenant, mut id, mut changed) = (0, 0, 0);
    loop {
        let transaction = db.transaction()?;
        let users: Vec<Rekey> = transaction
            .prepare_cached(sql::USERS_TO_REKEY)?
            .query_map(params![tenant, id, REKEY_USERS], decode(|row| rekey(row)))?
            .collect::<Result<_, _>>()?;
        let Some(last) = users.last() else { return Ok(changed) };
        (tenant, id) = (last.tenant, last.id);
        for user in &users {
            changed += change(&transaction, user, records_clashes)?;
        }
        transaction.commit()?;
    }
}

fn change(db: &Connection, user: &Rekey, records_clashes: bool) -> rusqlite::Result<usize> {
    let mut changed = 0;
    for (kind, key) in &user.changes {
        let statement = match kind {
            KeyKind::Username => sql::SET_USERNAME_KEY,
            KeyKind::Email => sql::SET_EMAIL_KEY,
            KeyKind::Uid => sql::SET_UID_KEY,
        };
        let set = db.prepare_cached(statement)?.execute(params![user.tenant, user.id, key])?;
        changed += set;
        if set == 0 && records_clashes {
            db.prepare_cached(sql::INSERT_CLASH)?.execute(params![user.tenant, user.id, kind.as_str()])?;
        }
    }
    Ok(changed)
}
