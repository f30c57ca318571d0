//! A freshly migrated database of its kind accepts every statement of a store.

use std::collections::BTreeSet;
use std::path::Path;

use muster_testkit::Servers;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};

use crate::MUSTER;

#[tokio::test]
async fn postgres_prepares_every_statement() {
    let servers = Servers::create(MUSTER).await;
    let mut connection = PgConnection::connect(&servers.database_url).await.unwrap();
    let statements = muster_postgres::statements::all();
    let create_stage = &statements.iter().find(|(name, _)| name == "create_stage (Uid, All)").unwrap().1;
    sqlx::query(AssertSqlSafe(create_stage.clone())).execute(&mut connection).await.unwrap();
    // COPY cannot be prepared; imports in other tests run these statements.
    for (name, statement) in statements.iter().filter(|(name, _)| !name.starts_with("copy_")) {
        let prepared = (&mut connection).prepare(AssertSqlSafe(statement.clone()).into_sql_str()).await;
        prepared.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn sqlite_prepares_every_statement() {
    let data = tempfile::tempdir().unwrap();
    drop(muster_sqlite::SqliteStore::open(data.path()).unwrap());
    let connection = rusqlite::Connection::open(data.path().join("muster.db")).unwrap();
    for (name, statement) in muster_sqlite::statements::all() {
        connection.prepare(&statement).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The statements that only one store has are listed here.
#[test]
fn both_stores_have_the_same_statements_in_the_same_folders() {
    let only_postgres = [
        "batches/claim_batch",
        "batches/insert_rejections",
        "batches/insert_warnings",
        "batches/users_are_indexed",
        "bulk/allow_all_plans",
        "bulk/allow_only_lookup_plans",
        "bulk/clear_stage",
        "bulk/copy_stage",
        "bulk/copy_users",
        "bulk/create_stage",
        "bulk/insert_staged",
        "bulk/update_staged",
        "finish/lock_complete_job",
        "finish/notify_job",
        "jobs/lock_tenant",
        "lookups/probe_email_holders",
        "lookups/probe_user_digests",
        "lookups/probe_users",
        "missing_users/allow_long_statements",
        "schema/is_migrated",
        "schema/schema_version",
        "splits/lock_split",
        "upkeep/try_acquire_leadership",
    ];
    let only_sqlite =
        ["batches/insert_rejection", "batches/insert_warning", "lookups/probe_holders", "lookups/probe_user"];
    let (postgres, sqlite) = (listed_files(muster_postgres::sql::ALL), listed_files(muster_sqlite::sql::ALL));
    let missing_in = |others: &BTreeSet<String>, files: &BTreeSet<String>| -> Vec<String> {
        files.difference(others).cloned().collect()
    };
    assert_eq!(missing_in(&sqlite, &postgres), only_postgres);
    assert_eq!(missing_in(&postgres, &sqlite), only_sqlite);
}

/// A file that no list names would never be run.
#[test]
fn every_statement_file_is_listed_and_starts_with_its_name() {
    for (kind, listed) in [("postgres", muster_postgres::sql::ALL), ("sqlite", muster_sqlite::sql::ALL)] {
        let queries = format!("{}/../../shared/{kind}/queries", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(stored_files(Path::new(&queries)), listed_files(listed), "{kind}");
        for (folder, name, statement) in listed {
            assert!(
                statement.starts_with(&format!("-- {name}: ")),
                "{kind}: {folder}/{name}.sql must start with its name"
            );
        }
    }
}

/// A column list that is written by hand would miss a new field. The keys and `uid` of the lookups, and the values that
/// keys are made of, are not lists.
#[test]
fn no_statement_lists_fields_by_hand() {
    for (kind, listed) in [("postgres", muster_postgres::sql::ALL), ("sqlite", muster_sqlite::sql::ALL)] {
        for (folder, name, statement) in listed {
            let named = muster_domain::field::FIELDS.iter().filter(|field| {
                let words = statement.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                !["uid", "blocked_reason"].contains(&field.column)
                    && *folder != "keys"
                    && words.clone().any(|word| word == field.column)
            });
            let body_names: Vec<_> = named.map(|field| field.column).collect();
            assert!(body_names.len() < 2, "{kind}: {folder}/{name}.sql names {body_names:?}");
        }
    }
}

/// The listed statements, as `folder/name`.
fn listed_files(statements: &[(&str, &str, &str)]) -> BTreeSet<String> {
    statements.iter().map(|(folder, name, _)| format!("{folder}/{name}")).collect()
}

/// The files in the folders of `queries`, as `folder/name`.
fn stored_files(queries: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for folder in std::fs::read_dir(queries).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path().with_extension("");
            files.insert(path.strip_prefix(queries).unwrap().to_str().unwrap().to_owned());
        }
    }
    files
}
