//! The schema.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

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
}

/// Returns the migrations for sqlx. (With its macro, Cargo would compile the whole database driver a second time.)
pub(crate) fn migrator() -> Migrator {
    let migration = |&(name, text): &(&'static str, &'static str)| {
        let (_, description) = name.split_once('_').expect("a migration has a number and a description");
        let description = Cow::Owned(description.replace('_', " "));
        Migration::new(version(name), description, MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
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
