//! The schema. SQLite's `user_version` counts the migrations that were run.

use rusqlite::Connection;

/// In order. Migrations are only ever added.
const MIGRATIONS: [&str; 9] = [
    include_str!("../migrations/0001_first_schema.sql"),
    include_str!("../migrations/0002_idempotency_key.sql"),
    include_str!("../migrations/0003_upkeep.sql"),
    include_str!("../migrations/0004_collaborator.sql"),
    include_str!("../migrations/0005_soundness.sql"),
    include_str!("../migrations/0006_waiting_rows.sql"),
    include_str!("../migrations/0007_quotas.sql"),
    include_str!("../migrations/0008_missing_users.sql"),
    include_str!("../migrations/0009_password_quota.sql"),
];

/// Why the schema cannot be created or updated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A statement failed.
    #[error("the schema cannot be created or updated")]
    Database(#[from] rusqlite::Error),
    /// A newer version of Muster wrote this folder.
    #[error("the data folder has schema version {found}, this version of Muster knows {known}: use a newer Muster")]
    TooNew {
        /// The version found.
        found: usize,
        /// The newest version known.
        known: usize,
    },
}

pub(crate) fn run(connection: &mut Connection) -> Result<(), MigrateError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = found as usize;
    if found > MIGRATIONS.len() {
        return Err(MigrateError::TooNew { found, known: MIGRATIONS.len() });
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", u32::try_from(index + 1).unwrap_or(u32::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}
