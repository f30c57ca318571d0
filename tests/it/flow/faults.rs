//! Processes that die, and servers that are away.

use muster_testkit::{Backend, Client, Program, Servers, Site, SiteOptions, wait_until};

use super::{counts, users};
use crate::MUSTER;

const ROWS: u64 = 60_000;

fn many() -> String {
    users((0..ROWS).map(|n| format!("user{n}")))
}

/// Waits until some rows are applied and some are not.
async fn in_the_middle(site: &Site, path: &str) {
    wait_until("some rows are applied", || async {
        let status = site.client.get(path).await.json();
        if status["processed_users"].as_u64() > Some(0) { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_process_that_is_killed_ends_its_jobs_after_a_restart() {
    let mut site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
    let path = site.client.upload(many()).await;
    let waiting = site.client.upload(users(["last"])).await;
    in_the_middle(&site, &path).await;
    site.ingest.as_mut().unwrap().kill();
    site.start_ingest().await;
    assert_eq!(counts(&site.client.finished(&path).await), [ROWS, ROWS, 0, 0, 0]);
    assert_eq!(counts(&site.client.finished(&waiting).await), [1, 1, 0, 0, 0]);
    assert_eq!(site.client.user("user59999").await["username"], "user59999");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_changes_nothing() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 2, ..SiteOptions::default() }).await;
    let path = site.client.upload(many()).await;
    in_the_middle(&site, &path).await;
    site.workers[0].kill();
    assert_eq!(counts(&site.client.finished(&path).await), [ROWS, ROWS, 0, 0, 0]);
    let servers = site.servers.as_ref().unwrap();
    assert_eq!(servers.number("select count(*) from users").await, ROWS.cast_signed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ingest_service_takes_its_split_up_again() {
    let mut site = Site::start(MUSTER, Backend::Distributed, SiteOptions::default()).await;
    let path = site.client.upload(many()).await;
    in_the_middle(&site, &path).await;
    site.ingest.as_mut().unwrap().kill();
    // The lease of a dead splitter lapses by itself after a minute; the test does not wait for it.
    site.servers.as_ref().unwrap().execute("update jobs set lease_until = now() - interval '1 second'").await;
    site.start_ingest().await;
    assert_eq!(counts(&site.client.finished(&path).await), [ROWS, ROWS, 0, 0, 0]);
    let servers = site.servers.as_ref().unwrap();
    let gaps = "select count(*) from (select first_offset <> lag(end_offset, 1, 0::bigint) over (order by batch) as gap \
                from ledger) as l where gap";
    assert_eq!(servers.number(gaps).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_to_stop_finishes_its_batches() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 2, ..SiteOptions::default() }).await;
    let path = site.client.upload(many()).await;
    in_the_middle(&site, &path).await;
    assert!(site.workers[0].terminate().await.success());
    assert_eq!(counts(&site.client.finished(&path).await), [ROWS, ROWS, 0, 0, 0]);
    assert!(site.ingest.as_mut().unwrap().terminate().await.success());
    assert!(site.status.as_mut().unwrap().terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_needs_no_redis() {
    let variables = vec![("MUSTER_REDIS_URL".to_owned(), "redis://127.0.0.1:1/0".to_owned())];
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions { variables, ..SiteOptions::default() }).await;
    let path = site.client.upload(many()).await;
    in_the_middle(&site, &path).await;
    assert_eq!(counts(&site.client.finished(&path).await), [ROWS, ROWS, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_encrypted_on_the_queue_where_a_key_is_set() {
    let key = vec![("MUSTER_PAYLOAD_KEY".to_owned(), "5a".repeat(32))];
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, variables: key, ..SiteOptions::default() })
            .await;
    let path = site.client.upload(users(["a"])).await;
    site.start_worker().await;
    assert_eq!(counts(&site.client.finished(&path).await), [1, 1, 0, 0, 0]);
}

/// Connections that wait in [`make_writers_sleep`]'s trigger.
const ASLEEP: &str = "from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

/// Makes everyone who inserts a user stop in the middle of it.
async fn make_writers_sleep(servers: &Servers) {
    let sleeps =
        "create function sleeps() returns trigger language plpgsql as 'begin perform pg_sleep(600); return new; end'";
    servers.execute(sleeps).await;
    servers.execute("create trigger sleeps before insert on users for each row execute function sleeps()").await;
}

async fn until_asleep(servers: &Servers, wanted: i64) {
    wait_until("so many batches are begun", || async {
        let found = servers.number(&format!("select count(*) {ASLEEP}")).await;
        if found == wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

async fn end_sleepers(servers: &Servers) {
    servers.execute(&format!("select pg_terminate_backend(pid) {ASLEEP}")).await;
}

/// Kills a worker in the middle of a batch that was begun so often before, and gives the final status.
async fn after_one_more_kill(attempts_before: u32) -> (Site, serde_json::Value) {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let path = site.client.upload(users(["a", "b", "c"])).await;
    let servers = site.servers.clone().unwrap();
    if attempts_before > 0 {
        servers.execute(&format!("insert into attempts values (1, 1, {attempts_before})")).await;
    }
    make_writers_sleep(&servers).await;
    site.start_worker().await;
    until_asleep(&servers, 1).await;
    site.workers[0].kill();
    // The server would notice the death of its client only after the sleep.
    end_sleepers(&servers).await;
    servers.execute("drop trigger sleeps on users").await;
    site.start_worker().await;
    let status = site.client.finished(&path).await;
    (site, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_worker_died_is_applied_by_the_next() {
    for attempts_before in [0, 2] {
        let (site, status) = after_one_more_kill(attempts_before).await;
        assert_eq!(counts(&status), [3, 3, 0, 0, 0]);
        let noted = site.servers.as_ref().unwrap().number("select sum(attempts) from attempts").await;
        assert_eq!(noted, i64::from(attempts_before) + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_kills_its_workers_is_given_up_and_its_job_ends() {
    let (site, status) = after_one_more_kill(4).await;
    assert_eq!(counts(&status), [3, 0, 0, 0, 3]);
    assert_eq!(status["status"], "FAILED");
    let errors = site.client.get("/bulk/v1/files/1/errors").await.json()["errors"].clone();
    assert_eq!((errors[0]["line"].as_u64(), errors[0]["code"].as_str()), (Some(2), Some("not_applied")));
}

/// Of batches that run alone one after another only the one that was begun is noted, and that not either
/// when its worker stops by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_only_waited_or_was_broken_off_is_not_held_guilty() {
    let variables = vec![("MUSTER_DRAIN_SECONDS".to_owned(), "1".to_owned())];
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, variables, ..SiteOptions::default() })
            .await;
    let servers = site.servers.clone().unwrap();
    let path = site.client.upload(many()).await;
    servers.execute("insert into attempts select 1, batch, 2 from generate_series(1, 30) as batch").await;
    make_writers_sleep(&servers).await;
    let noted = "select sum(attempts - 2)::bigint from attempts";

    site.start_worker().await;
    until_asleep(&servers, 2).await;
    site.workers[0].kill();
    end_sleepers(&servers).await;
    until_asleep(&servers, 0).await;
    // What two were begun comes again: one of them runs alone, the other waits for it.
    site.start_worker().await;
    until_asleep(&servers, 1).await;
    assert_eq!(servers.number(noted).await, 1);
    site.workers[1].terminate().await;
    assert_eq!(servers.number(noted).await, 0, "the attempt was taken back");

    end_sleepers(&servers).await;
    servers.execute("drop trigger sleeps on users").await;
    site.start_worker().await;
    assert_eq!(counts(&site.client.finished(&path).await), [ROWS, ROWS, 0, 0, 0]);
}

/// The database refuses one row of a batch: it fails alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_database_refuses_fails_alone() {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions::default()).await;
    let servers = site.servers.as_ref().unwrap();
    servers.execute("alter table users add constraint test_refuses check (username <> 'poison')").await;
    let status = site.client.import(users(["a", "poison", "b"])).await;
    assert_eq!(counts(&status), [3, 2, 0, 0, 1]);
    assert_eq!(status["error_message"], "Line 3: the database refused this row");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_about_a_person_is_in_a_log() {
    let variables = vec![("MUSTER_LOG".to_owned(), "debug".to_owned())];
    for backend in [Backend::Embedded, Backend::Distributed] {
        let options = SiteOptions { variables: variables.clone(), ..SiteOptions::default() };
        let site = Site::start(MUSTER, backend, options).await;
        let file = "EMAIL,USERNAME,FIRST_NM,LAST_NM,INTF_PUBLISH_DT\n\
                    canary1@x,canary2,canary3,canary4,\ncanary5,canary6,c,c,\na@x,canary7,c,c,canary8\n";
        let status = site.client.import(file).await;
        assert_eq!(counts(&status), [3, 1, 0, 0, 2]);
        assert!(!status.to_string().contains("canary"), "{status}");
        site.client.user("canary2").await;
        assert!(!site.output().contains("canary"), "{backend:?}: {}", site.output());
    }
}

/// Whoever reads the log may go away: lines are lost, nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let mut program = Program::start_unheard(MUSTER, &["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    let after = |mark: &'static str| move |line: &str| Some(line.trim().strip_prefix(mark)?.trim().to_owned());
    let address = program.line("the address", after("Muster is listening on")).await;
    let token = program.line("the token", after("token ")).await;
    let client = Client::new(address.clone(), address, Some(token));
    assert_eq!(counts(&client.import(users(["a", "b"])).await), [2, 2, 0, 0, 0]);
    assert!(program.terminate().await.success());
}
