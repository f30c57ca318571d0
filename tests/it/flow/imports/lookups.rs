//! Lookups before a batch is written are an optimization: they never change the result, and they never scan all users.

use muster_testkit::{Backend, Servers, Site, wait_until};

use crate::flow::expected::{Status, created, unchanged, updated};
use crate::flow::{TITLES, csv, site, test_on_both_backends};

test_on_both_backends!(
    known_users_between_many_new_ones_are_recognized,
    a_row_with_known_values_is_unchanged_whatever_its_columns,
    a_row_with_superseded_values_changes_its_user_back,
);

/// More rows than a batch can have.
const MORE_ROWS_THAN_A_BATCH: usize = 2500;

fn row(name: &str) -> String {
    format!("{name}@x,{name},First,Last")
}

async fn known_users_between_many_new_ones_are_recognized(site: Site) {
    site.client.import(csv(TITLES, (0..50).map(|number| row(&format!("known{number}"))))).await;
    // After batches of new users only, a worker skips the lookups. The rows that follow need them.
    let mut rows: Vec<String> = (0..2 * MORE_ROWS_THAN_A_BATCH).map(|number| row(&format!("new{number}"))).collect();
    rows.extend((0..20).map(|number| row(&format!("known{number}"))));
    rows.extend((20..30).map(|number| format!("known{number}@x,known{number},Other,Last")));
    // E-mails held by a user whom no row names, and by a user who gives it up in a later row: it goes to the earlier of the
    // rows that want it.
    rows.push("known49@x,thief,First,Last".to_owned());
    rows.push("known30@x,early,First,Last".to_owned());
    rows.push("moved@x,known30,First,Last".to_owned());
    rows.push("known30@x,late,First,Last".to_owned());
    rows.extend((0..MORE_ROWS_THAN_A_BATCH).map(|number| row(&format!("newer{number}"))));
    let status = site.client.import(csv(TITLES, &rows)).await;
    let new_users = 3 * MORE_ROWS_THAN_A_BATCH as u64 + 1;
    assert_eq!(status.counts(), created(new_users).updated(11).unchanged(20).failed(2));
    let line = |index: usize| 2 * MORE_ROWS_THAN_A_BATCH + 30 + index + 2;
    let conflict = |index| format!("Line {}: EMAIL belongs to another user", line(index));
    let writer = format!("written by line {} of this file", line(1));
    assert_eq!(status.errors(), format!("{} (user N); {} (user N, {writer})", conflict(0), conflict(3)));
    assert_eq!(site.client.user("early").await["email"], "known30@x");
    assert_eq!(site.client.user("known25").await["first_name"], "Other");
}

async fn a_row_with_known_values_is_unchanged_whatever_its_columns(site: Site) {
    site.client.import(csv("EMAIL,USERNAME,FIRST_NM,LAST_NM,Team", ["a@x,a,A,A,red"])).await;
    let reordered = csv("Team,LAST_NM,FIRST_NM,USERNAME,EMAIL", ["red,A,A,a,a@x"]);
    assert_eq!(site.client.import(reordered).await.counts(), unchanged(1));
    let fewer_columns = csv(TITLES, ["a@x,a,A,A"]);
    assert_eq!(site.client.import(fewer_columns).await.counts(), unchanged(1));
    let other_value = csv("EMAIL,USERNAME,FIRST_NM,LAST_NM,Team", ["a@x,a,A,A,blue"]);
    assert_eq!(site.client.import(other_value).await.counts(), updated(1));
}

async fn a_row_with_superseded_values_changes_its_user_back(site: Site) {
    for (first_name, expected) in [("A", created(1)), ("B", updated(1)), ("A", updated(1))] {
        let status = site.client.import(csv(TITLES, [format!("a@x,a,{first_name},A")])).await;
        assert_eq!(status.counts(), expected);
    }
    // Within a file, the last row of a user wins.
    site.client.import(csv(TITLES, ["a@x,a,C,A", "a@x,a,D,A"])).await;
    assert_eq!(site.client.import(csv(TITLES, ["a@x,a,D,A"])).await.counts(), unchanged(1));
    assert_eq!(site.client.import(csv(TITLES, ["a@x,a,C,A"])).await.counts(), updated(1));
}

/// If a user is edited in the database, the next file restores its values.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_the_database_is_detected_and_overwritten() {
    let site = site(Backend::Distributed).await;
    let file = csv(TITLES, ["a@x,a,A,A", "b@x,b,B,B"]);
    site.client.import(file.clone()).await;
    let servers = site.servers.as_ref().unwrap();
    servers.execute("update users set first_name = 'Z' where username_key = 'a'").await;
    assert_eq!(site.client.import(file.clone()).await.counts(), updated(1).unchanged(1));
    assert_eq!(site.client.user("a").await["first_name"], "A");
    assert_eq!(site.client.import(file).await.counts(), unchanged(2));
}

const USERS: u64 = 20_000;

fn users_in(city: &str) -> String {
    let rows = (0..USERS).map(|number| format!("u{number}@x,u{number},First,Last,{city}"));
    csv("EMAIL,USERNAME,FIRST_NM,LAST_NM,WORK_CITY", rows)
}

/// Returns how many rows of `users` and of its indexes were read, once the statistics of Postgres, which lag, contain
/// this many lookups or more rows than any number of lookups may read.
async fn rows_read(servers: &Servers, lookups: i64) -> i64 {
    wait_until("the statistics contain all lookups", || async {
        let query = "select idx_scan from pg_stat_user_indexes where indexrelname = 'users_username_key'";
        let scans = servers.number(query).await;
        let read = servers
            .number(
                "(select seq_tup_read from pg_stat_user_tables where relname = 'users')
                 + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'users')",
            )
            .await;
        let has_scanned = read > scans.max(lookups) * MAX_ROWS_PER_LOOKUP;
        if scans >= lookups || has_scanned { Ok(read) } else { Err((scans, read)) }
    })
    .await
}

/// A lookup may read several versions of a user. A scan of all users reads a thousand times more.
const MAX_ROWS_PER_LOOKUP: i64 = 15;

/// The planner has no statistics on a table that has just started to grow; even then no batch scans all users.
#[tokio::test(flavor = "multi_thread")]
async fn every_lookup_uses_an_index() {
    let site = site(Backend::Distributed).await;
    for (city, expected) in [("Oslo", created(USERS)), ("Oslo", unchanged(USERS)), ("Rome", updated(USERS))] {
        assert_eq!(site.client.import(users_in(city)).await.counts(), expected);
    }
    let read = rows_read(site.servers.as_ref().unwrap(), 40_000).await;
    assert!(read < 40_000 * MAX_ROWS_PER_LOOKUP, "{read} rows of users and its indexes were read");
}

/// With a few users the primary key still has one page while the index on user names has three, so that scanning the
/// users of the tenant by id looks cheaper to the planner than looking up each name.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_primary_key_does_not_attract_lookups_by_name() {
    let site = site(Backend::Distributed).await;
    let servers = site.servers.as_ref().unwrap();
    servers
        .execute(
            "insert into users
                 (tenant, version_job, version_line, username_key, email_key, email, username, first_name, last_name)
             select 1, 1, n, md5(n::text) || '-other@x', md5(n::text) || '@x', 'x@x', 'x', 'First', 'Last'
             from generate_series(1, 200) n",
        )
        .await;
    assert_eq!(site.client.import(users_in("Oslo")).await.counts(), created(USERS));
    // The first batch of each worker slot looks up its rows; later batches assume that their users are new.
    let read = rows_read(servers, 2000).await;
    assert!(read < 8000 * MAX_ROWS_PER_LOOKUP, "{read} rows of users and its indexes were read");
}
