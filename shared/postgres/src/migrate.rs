//! The schema.

use std::borrow::Cow;

use sqlx::PgConnection;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::{rekey, sql};

macro_rules! migrations {
    ($($name:literal,)*) => {
        /// Every migration: its file name without the extension, and its text. Migrations are only ever added.
        const MIGRATIONS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../migrations/", $name, ".sql"))),)*];
    };
}

migrations! {
    "0001_first_schema",
    "0002_idempotency_key",
    "0003_upkeep",
    "0004_collaborator",
    "0005_apply_path",
    "0006_soundness",
    "0007_waiting_rows",
    "0008_quotas",
    "0009_missing_users",
    "0010_password_quota",
    "0011_user_clashes",
    "0012_reports",
    "0013_titles_and_sheets",
}

/// Returns the migrations for sqlx. (With its macro, Cargo would compile the whole database driver a second time.)
fn migrator() -> Migrator {
    let migration = |&(name, text): &(&'static str, &'static str)| {
        let (_, description) = name.split_once('_').expect("a migration has a number and a description");
        let description = Cow::Owned(description.replace('_', " "));
        Migration::new(version(name), description, MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

/// The migration after which the keys of users are computed again.
const KEYS_MIGRATION: &str = "0011_user_clashes";

/// Creates or updates the schema. A new rule for keys is applied to the users who are there already.
pub(crate) async fn run(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let found = found_version(connection).await?;
    if (1..=version(KEYS_MIGRATION)).contains(&found) {
        let mut until_keys = migrator();
        until_keys.migrations.to_mut().retain(|migration| migration.version <= version(KEYS_MIGRATION));
        until_keys.run(&mut *connection).await?;
        rekey::run(connection).await?;
    }
    migrator().run(connection).await
}

/// The version of the schema that the database has; 0 if it has none.
async fn found_version(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    if !sqlx::query_scalar::<_, bool>(sql::IS_MIGRATED).fetch_one(&mut *connection).await? {
        return Ok(0);
    }
    let version: Option<i64> = sqlx::query_scalar(sql::SCHEMA_VERSION).fetch_one(connection).await?;
    Ok(version.unwrap_or_default())
}

/// The version of the schema that this build needs.
pub(crate) fn schema_version() -> i64 {
    MIGRATIONS.iter().map(|(name, _)| version(name)).max().unwrap_or_default()
}

fn version(name: &str) -> i64 {
    name[..4].parse().expect("the name of a migration starts with four digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_listed_in_order() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
        let mut files: Vec<String> =
            folder.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        files.sort();
        assert_eq!(MIGRATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), files);
        assert_eq!(schema_version(), i64::try_from(files.len()).unwrap());
    }
}
