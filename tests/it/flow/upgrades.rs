//! An upgrade from a version with other rules for keys: stored users get their new keys, those who cannot are listed, and
//! unfinished files stop it.

use muster_testkit::Site;
use serde_json::Value;

use super::expected::{Status, created, unchanged};
use super::{TITLES, csv, test_on_both_backends};

test_on_both_backends!(stored_users_get_the_keys_of_the_new_rules, unfinished_files_stop_an_upgrade);

/// Takes back what the migrations since the earlier rules have added.
const TAKE_BACK: [&str; 13] = [
    "drop table warnings",
    "drop table user_clashes",
    "alter table tenants drop column charset",
    "alter table tenants drop column own_titles",
    "alter table jobs drop column raw_sheet",
    "alter table rejections drop column other_id",
    "alter table rejections drop column other_line",
    "alter table rejections drop column other_blocked",
    "alter table jobs drop column blank_rows",
    "alter table jobs drop column skipped_lines",
    "alter table jobs drop column applied_bytes",
    "alter table jobs drop column raw_charset_source",
    "alter table jobs drop column ignored_keys",
];

async fn stored_users_get_the_keys_of_the_new_rules(mut site: Site) {
    let rows = ["a@x,ada²,A,A", "b@bücher.example,bob,B,B", "c@x,zoe,C,C", "d@x,zo\u{eb}x,D,D"];
    assert_eq!(site.client.import(csv(TITLES, rows)).await.counts(), created(4));
    site.stop().await;
    // By the earlier rules `ada²` was `ada2`, a domain was not encoded, and a soft hyphen counted.
    for statement in [
        "update users set username_key = 'ada2' where username = 'ada²'",
        "update users set email_key = 'b@bücher.example' where username = 'bob'",
        "update users set username = 'zo\u{ad}e', username_key = 'zo\u{ad}e' where username = 'zo\u{eb}x'",
    ]
    .into_iter()
    .chain(TAKE_BACK)
    {
        execute(&site, statement).await;
    }
    set_earlier_version(&site).await;
    upgrade(&mut site).await.unwrap();

    let clashes = site.while_stopped(|site| site.admin(&["user", "clashes"]).unwrap()).await;
    let other = site.client.user("zoe").await;
    let [clash] = clashes.lines().collect::<Vec<_>>()[..] else { panic!("expected one clash, found {clashes:?}") };
    let fields: Vec<&str> = clash.split('\t').collect();
    assert_eq!((fields[0], fields[2]), ("default", "username"));
    assert_ne!(fields[1], other["id"].to_string());
    assert_eq!(site.client.import(csv(TITLES, &rows[..3])).await.counts(), unchanged(3));
    assert_eq!(site.client.user("ada2").await, Value::Null);
    let found = site.client.get("/bulk/v1/users?email=b@xn--bcher-kva.example").await.json();
    assert_eq!(found["users"][0]["username"], "bob");
}

async fn unfinished_files_stop_an_upgrade(mut site: Site) {
    site.client.import(csv(TITLES, ["a@x,a,A,A"])).await;
    site.stop().await;
    for statement in TAKE_BACK {
        execute(&site, statement).await;
    }
    set_earlier_version(&site).await;
    execute(&site, "update jobs set state = 'PROCESSING', finished_at = null, created = null").await;
    let error = upgrade(&mut site).await.unwrap_err();
    assert!(error.contains("finish or cancel them with the version of Muster that accepted them"), "{error}");
    execute(&site, "delete from jobs").await;
    upgrade(&mut site).await.unwrap();
    assert_eq!(site.client.user("a").await["username"], "a");
}

async fn execute(site: &Site, statement: &str) {
    if let Some(servers) = &site.servers {
        return servers.execute(statement).await;
    }
    let database = rusqlite::Connection::open(format!("{}/muster.db", site.data())).unwrap();
    database.execute_batch(statement).unwrap();
}

async fn set_earlier_version(site: &Site) {
    let statement = if site.servers.is_some() {
        "delete from _sqlx_migrations where version > 10"
    } else {
        "pragma user_version = 9"
    };
    execute(site, statement).await;
}

/// Migrates the database and starts the services again, or says why not.
async fn upgrade(site: &mut Site) -> Result<(), String> {
    if site.servers.is_some() {
        site.admin(&["migrate"])?;
        site.start_ingest().await;
        site.start_status().await;
        site.start_worker().await;
    } else {
        // A command opens, and so migrates, the data folder as the services do.
        site.admin(&["tenant", "list"])?;
        site.start_ingest().await;
    }
    Ok(())
}
