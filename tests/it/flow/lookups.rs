//! What is looked up before a batch is written saves time and changes nothing.

use muster_testkit::{Backend, Servers, Site, wait_until};

use super::{TITLES, counts, csv, on_both, site};

on_both!(
    a_file_of_new_users_in_which_known_ones_turn_up,
    a_known_row_of_another_file_is_unchanged,
    a_row_that_was_the_last_but_one_changes_its_user_back,
);

/// More than a batch has.
const MANY: usize = 2500;

fn row(name: &str) -> String {
    format!("{name}@x,{name},First,Last")
}

async fn a_file_of_new_users_in_which_known_ones_turn_up(site: Site) {
    site.client.import(csv(TITLES, (0..50).map(|number| row(&format!("known{number}"))))).await;
    // The batches of new users teach a worker to look nothing up; then it has to.
    let mut rows: Vec<String> = (0..2 * MANY).map(|number| row(&format!("new{number}"))).collect();
    rows.extend((0..20).map(|number| row(&format!("known{number}"))));
    rows.extend((20..30).map(|number| format!("known{number}@x,known{number},Other,Last")));
    // Of a user whom no row names, and of one whose row comes later and lets it go.
    rows.push("known49@x,thief,First,Last".to_owned());
    rows.push("known30@x,early,First,Last".to_owned());
    rows.push("moved@x,known30,First,Last".to_owned());
    rows.push("known30@x,late,First,Last".to_owned());
    rows.extend((0..MANY).map(|number| row(&format!("newer{number}"))));
    let status = site.client.import(csv(TITLES, &rows)).await;
    let created = 3 * MANY as u64 + 1;
    assert_eq!(counts(&status), [created + 33, created, 11, 20, 2]);
    let line = |index: usize| 2 * MANY + 30 + index + 2;
    let fails = |index| format!("Line {}: EMAIL belongs to another user", line(index));
    assert_eq!(status["error_message"], format!("{}; {}", fails(0), fails(1)));
    assert_eq!(site.client.user("late").await["email"], "known30@x");
    assert_eq!(site.client.user("known25").await["first_name"], "Other");
}

async fn a_known_row_of_another_file_is_unchanged(site: Site) {
    site.client.import(csv("EMAIL,USERNAME,FIRST_NM,LAST_NM,Team", ["a@x,a,A,A,red"])).await;
    let same = csv("Team,LAST_NM,FIRST_NM,USERNAME,EMAIL", ["red,A,A,a,a@x"]);
    assert_eq!(counts(&site.client.import(same).await), [1, 0, 0, 1, 0]);
    // One that says less, and one that says something else.
    assert_eq!(counts(&site.client.import(csv(TITLES, ["a@x,a,A,A"])).await), [1, 0, 0, 1, 0]);
    let other = csv("EMAIL,USERNAME,FIRST_NM,LAST_NM,Team", ["a@x,a,A,A,blue"]);
    assert_eq!(counts(&site.client.import(other).await), [1, 0, 1, 0, 0]);
}

async fn a_row_that_was_the_last_but_one_changes_its_user_back(site: Site) {
    for (first_name, expected) in [("A", [1, 1, 0, 0, 0]), ("B", [1, 0, 1, 0, 0]), ("A", [1, 0, 1, 0, 0])] {
        let status = site.client.import(csv(TITLES, [format!("a@x,a,{first_name},A")])).await;
        assert_eq!(counts(&status), expected);
    }
    // In one file, the last line of a user is what the user says.
    site.client.import(csv(TITLES, ["a@x,a,C,A", "a@x,a,D,A"])).await;
    assert_eq!(counts(&site.client.import(csv(TITLES, ["a@x,a,D,A"])).await), [1, 0, 0, 1, 0]);
    assert_eq!(counts(&site.client.import(csv(TITLES, ["a@x,a,C,A"])).await), [1, 0, 1, 0, 0]);
}

/// Somebody repairs a user by hand: the next file puts it right again.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_into_the_table_is_noticed() {
    let site = site(Backend::Distributed).await;
    let file = csv(TITLES, ["a@x,a,A,A", "b@x,b,B,B"]);
    site.client.import(file.clone()).await;
    let servers = site.servers.as_ref().unwrap();
    servers.execute("update users set first_name = 'Z' where username_key = 'a'").await;
    assert_eq!(counts(&site.client.import(file.clone()).await), [2, 0, 1, 1, 0]);
    assert_eq!(site.client.user("a").await["first_name"], "A");
    assert_eq!(counts(&site.client.import(file).await), [2, 0, 0, 2, 0]);
}

fn users(city: &str) -> String {
    let rows = (0..20_000).map(|number| format!("u{number}@x,u{number},First,Last,{city}"));
    csv("EMAIL,USERNAME,FIRST_NM,LAST_NM,WORK_CITY", rows)
}

/// How many rows of users and its indexes were read, when at least so many look-ups are in the statistics, which are
/// written some time after the fact.
async fn rows_read(servers: &Servers, look_ups: i64) -> i64 {
    wait_until("the statistics of all look-ups", || async {
        let query = "select idx_scan from pg_stat_user_indexes where indexrelname = 'users_username_key'";
        let scans = servers.number(query).await;
        let read = servers
            .number(
                "(select seq_tup_read from pg_stat_user_tables where relname = 'users')
                 + (select sum(idx_tup_read) from pg_stat_user_indexes where relname = 'users')",
            )
            .await;
        let walked = read > scans.max(look_ups) * FEW;
        if scans >= look_ups || walked { Ok(read) } else { Err((scans, read)) }
    })
    .await
}

/// Rows that a look-up may read: versions of a user. Walking through all users reads a thousand times more.
const FEW: i64 = 15;

/// However the planner sees a table that has just begun to grow: no batch walks through all users.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_looked_up_by_an_index() {
    let site = site(Backend::Distributed).await;
    for (city, expected) in [("Oslo", [1, 0, 0]), ("Oslo", [0, 0, 1]), ("Rome", [0, 1, 0])] {
        let [created, updated, unchanged] = expected.map(|part| part * 20_000);
        let status = site.client.import(users(city)).await;
        assert_eq!(counts(&status), [20_000, created, updated, unchanged, 0]);
    }
    let read = rows_read(site.servers.as_ref().unwrap(), 40_000).await;
    assert!(read < 40_000 * FEW, "{read} rows of users and its indexes were read");
}

/// With a few users the index of the ids still has one page, that of the names already has three: by cost the
/// planner would rather walk through the users of the tenant in the order of their ids.
#[tokio::test(flavor = "multi_thread")]
async fn the_smaller_index_of_the_ids_is_no_way_to_a_name() {
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
    let status = site.client.import(users("Oslo")).await;
    assert_eq!(counts(&status), [20_000, 20_000, 0, 0, 0]);
    // The first batch of each slot looks up its rows; the others are taken for new ones.
    let read = rows_read(servers, 2000).await;
    assert!(read < 8000 * FEW, "{read} rows of users and its indexes were read");
}
