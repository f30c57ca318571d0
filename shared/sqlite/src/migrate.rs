//! The schema. SQLite's `user_version` counts the migrations that were run.

use rusqlite::Connection;

use crate::rekey;

/// In order. Migrations are only ever added.
const MIGRATIONS: [&str; 12] = [
    include_str!("../migrations/0001_first_schema.sql"),
    include_str!("../migrations/0002_idempotency_key.sql"),
    include_str!("../migrations/0003_upkeep.sql"),
    include_str!("../migrations/0004_collaborator.sql"),
    include_str!("../migrations/0005_soundness.sql"),
    include_str!("../migrations/0006_waiting_rows.sql"),
    include_str!("../migrations/0007_quotas.sql"),
    include_str!("../migrations/0008_missing_users.sql"),
    include_str!("../migrations/0009_password_quota.sql"),
    include_str!("../migrations/0010_user_clashes.sql"),
    include_str!("../migrations/0011_reports.sql"),
    include_str!("../migrations/0012_titles_and_sheets.sql"),
];

/// Why the schema cannot be created or updated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A statement failed.
    #[error("the schema cannot be created or updated")]
    Database(#[from] rusqlite::Error),
    /// Jobs are unfinished, which this version would cut in another way.
    #[error("files are still being imported: finish or cancel them with the version of Muster that accepted them")]
    UnfinishedJobs,
    /// A newer version of Muster wrote this folder.
    #[error("the data folder has schema version {found}, this version of Muster knows {known}: use a newer Muster")]
    TooNew {
        /// The version found.
        found: usize,
        /// The newest version known.
        known: usize,
    },
}

/// The number of migrations after which the keys of users are computed again.
const KEYS_MIGRATION: usize = 10;
/// The number of migrations after which files are cut in another way than before.
const CUT_MIGRATION: usize = 11;

fn has_unfinished_jobs(connection: &Connection) -> rusqlite::Result<bool> {
    let statement = "select exists (select 1 from jobs where state in ('PENDING', 'PROCESSING'))";
    connection.query_row(statement, [], |row| row.get(0))
}

pub(crate) fn run(connection: &mut Connection) -> Result<(), MigrateError> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let found = found as usize;
    if found > MIGRATIONS.len() {
        return Err(MigrateError::TooNew { found, known: MIGRATIONS.len() });
    }
    if (1..CUT_MIGRATION).contains(&found) && has_unfinished_jobs(connection)? {
        return Err(MigrateError::UnfinishedJobs);
    }
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        if index == KEYS_MIGRATION && found > 0 {
            rekey::run(connection)?;
        }
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", u32::try_from(index + 1).unwrap_or(u32::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}
