//! Every statement file is understood by a freshly migrated database of its kind.

use muster_testkit::Servers;
use sqlx::{Connection, Executor, PgConnection, SqlStr};

use crate::MUSTER;

#[tokio::test]
async fn postgres_understands_every_statement() {
    let servers = Servers::private(MUSTER).await;
    let mut connection = PgConnection::connect(&servers.database_url).await.unwrap();
    let statements = muster_postgres::sql::ALL;
    let create_stage = statements.iter().find(|(name, _)| *name == "create_stage").unwrap().1;
    sqlx::query(create_stage).execute(&mut connection).await.unwrap();
    // COPY cannot be prepared; the two of them run in every import.
    for (name, statement) in statements.iter().filter(|(name, _)| !name.starts_with("copy_")) {
        let prepared = (&mut connection).prepare(SqlStr::from_static(statement)).await;
        prepared.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn sqlite_understands_every_statement() {
    let folder = tempfile::tempdir().unwrap();
    drop(muster_sqlite::SqliteStore::open(folder.path()).unwrap());
    let connection = rusqlite::Connection::open(folder.path().join("muster.db")).unwrap();
    for (name, statement) in muster_sqlite::sql::ALL {
        connection.prepare(statement).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A statement that one store has and the other has not is named here, with its reason.
#[test]
fn both_stores_have_the_same_statements() {
    let only_postgres = [
        "allow_all_plans",
        "allow_look_ups_only",
        "claim_batch",
        "copy_spigit_stage",
        "copy_spigit_users",
        "copy_stage",
        "copy_users",
        "create_stage",
        "empty_stage",
        "insert_rejections",
        "insert_staged",
        "lead",
        "lock_tenant",
        "notify_job",
        "probe_email_holders",
        "probe_known_users",
        "probe_known_users_by_uid",
        "probe_spigit_users",
        "probe_users",
        "probe_users_by_uid",
        "schema_version",
        "update_spigit_staged",
        "update_spigit_user",
        "update_staged",
    ];
    let only_sqlite = ["insert_rejection", "insert_spigit_user", "login_is_taken", "probe_user", "probe_user_by_uid"];
    let names =
        |all: &[(&'static str, &str)]| all.iter().map(|(name, _)| *name).collect::<std::collections::BTreeSet<_>>();
    let (postgres, sqlite) = (names(muster_postgres::sql::ALL), names(muster_sqlite::sql::ALL));
    assert_eq!(postgres.difference(&sqlite).copied().collect::<Vec<_>>(), only_postgres);
    assert_eq!(sqlite.difference(&postgres).copied().collect::<Vec<_>>(), only_sqlite);
}

/// A file that no list names would never be run.
#[test]
fn every_statement_file_is_listed() {
    for (kind, listed) in [("postgres", muster_postgres::sql::ALL), ("sqlite", muster_sqlite::sql::ALL)] {
        let folder = format!("{}/../../shared/{kind}/queries", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, listed.len(), "{kind}");
        for (name, statement) in listed {
            assert!(statement.starts_with(&format!("-- {name}")), "{kind}: {name}.sql must begin with its name");
        }
    }
}
