//! Computes the keys of stored users again when the rules for keys have changed.
//!
//! It runs between two migrations: if it is interrupted, the schema is not up to date, and the next `muster migrate` does
//! it again. A key that another user has is tried again as long as other keys change, because that user may give it up.

use muster_sql::keys::{KeyKind, REKEY_USERS, Rekey, rekey};
use sqlx::PgConnection;

use crate::connection::query::{Row, unreadable};
use crate::sql;

/// Computes all keys again and records the users who cannot have theirs.
pub(crate) async fn run(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    while pass(connection, false).await? > 0 {}
    pass(connection, true).await.map(drop)
}

/// Goes through all users once. Returns how many keys changed.
async fn pass(connection: &mut PgConnection, records_clashes: bool) -> Result<u64, sqlx::Error> {
    let (mut tenant, mut id, mut changed) = (0_i64, 0_i64, 0);
    loop {
        let statement = sqlx::query(sql::USERS_TO_REKEY).bind(tenant).bind(id).bind(i64::from(REKEY_USERS));
        let rows = statement.fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { return Ok(changed) };
        (tenant, id) = (sqlx::Row::try_get(last, "tenant")?, sqlx::Row::try_get(last, "id")?);
        for row in rows {
            let user = rekey(&Row(row)).map_err(unreadable)?;
            changed += change(connection, &user, records_clashes).await?;
        }
    }
}

async fn change(connection: &mut PgConnection, user: &Rekey, records_clashes: bool) -> Result<u64, sqlx::Error> {
    let mut changed = 0;
    for (kind, key) in &user.changes {
        let statement = match kind {
            KeyKind::Username => sql::SET_USERNAME_KEY,
            KeyKind::Email => sql::SET_EMAIL_KEY,
            KeyKind::Uid => sql::SET_UID_KEY,
        };
        let statement = sqlx::query(statement).bind(user.tenant).bind(user.id).bind(key);
        let is_set = statement.execute(&mut *connection).await?.rows_affected() > 0;
        changed += u64::from(is_set);
        if !is_set && records_clashes {
            let statement = sqlx::query(sql::INSERT_CLASH).bind(user.tenant).bind(user.id).bind(kind.as_str());
            statement.execute(&mut *connection).await?;
        }
    }
    Ok(changed)
}
