//! Killed and stopped processes, unavailable servers, and batches that fail again and again.

use muster_testkit::{Backend, Client, Program, Servers, Site, SiteOptions, wait_until};

use crate::MUSTER;
use crate::flow::expected::{Status, created, failed};
use crate::flow::users;

const ROWS: u64 = 60_000;

/// A file whose import takes long enough to be interrupted.
fn large_file() -> String {
    users((0..ROWS).map(|n| format!("user{n}")))
}

/// Waits until the import is in progress.
async fn wait_for_applied_rows(site: &Site, path: &str) {
    wait_until("some rows are applied", || async {
        let status = site.client.get(path).await.json();
        if status["processed_users"].as_u64() > Some(0) { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_embedded_process_finishes_its_jobs_after_a_restart() {
    let mut site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
    let path = site.client.upload(large_file()).await;
    let pending = site.client.upload(users(["last"])).await;
    wait_for_applied_rows(&site, &path).await;
    site.ingest.as_mut().unwrap().kill();
    site.start_ingest().await;
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(ROWS));
    assert_eq!(site.client.wait_until_final(&pending).await.counts(), created(1));
    assert_eq!(site.client.user("user59999").await["username"], "user59999");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_does_not_affect_the_result() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 2, ..SiteOptions::default() }).await;
    let path = site.client.upload(large_file()).await;
    wait_for_applied_rows(&site, &path).await;
    site.workers[0].kill();
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(ROWS));
    let servers = site.servers.as_ref().unwrap();
    assert_eq!(servers.number("select count(*) from users").await, ROWS.cast_signed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_split_is_completed_after_a_restart() {
    let mut site = Site::start(MUSTER, Backend::Distributed, SiteOptions::default()).await;
    let path = site.client.upload(large_file()).await;
    wait_for_applied_rows(&site, &path).await;
    site.ingest.as_mut().unwrap().kill();
    // The lease of a killed splitter expires after a minute. The test does not wait for that.
    site.servers.as_ref().unwrap().execute("update jobs set lease_until = now() - interval '1 second'").await;
    site.start_ingest().await;
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(ROWS));
    let servers = site.servers.as_ref().unwrap();
    let gaps = "select count(*) from (select first_offset <> lag(end_offset, 1, 0::bigint) over (order by batch) as gap \
                from ledger) as l where gap";
    assert_eq!(servers.number(gaps).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_asked_to_stop_drain_and_exit_with_success() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 2, ..SiteOptions::default() }).await;
    let path = site.client.upload(large_file()).await;
    wait_for_applied_rows(&site, &path).await;
    assert!(site.workers[0].terminate().await.success());
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(ROWS));
    assert!(site.ingest.as_mut().unwrap().terminate().await.success());
    assert!(site.status.as_mut().unwrap().terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_succeeds_without_redis() {
    let variables = vec![("MUSTER_REDIS_URL".to_owned(), "redis://127.0.0.1:1/0".to_owned())];
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions { variables, ..SiteOptions::default() }).await;
    let path = site.client.upload(large_file()).await;
    wait_for_applied_rows(&site, &path).await;
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_succeeds_with_encrypted_batches() {
    let key = vec![("MUSTER_PAYLOAD_KEY".to_owned(), "5a".repeat(32))];
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, variables: key, ..SiteOptions::default() })
            .await;
    let path = site.client.upload(users(["a"])).await;
    site.start_worker().await;
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(1));
}

/// The connections that sleep in the trigger of [`make_writers_sleep`].
const SLEEPING: &str = "from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";

/// Makes every insert of a user sleep in the middle of its transaction.
async fn make_writers_sleep(servers: &Servers) {
    let sleeps =
        "create function sleeps() returns trigger language plpgsql as 'begin perform pg_sleep(600); return new; end'";
    servers.execute(sleeps).await;
    servers.execute("create trigger sleeps before insert on users for each row execute function sleeps()").await;
}

async fn wait_for_sleepers(servers: &Servers, expected: i64) {
    wait_until("the expected number of batches is being written", || async {
        let found = servers.number(&format!("select count(*) {SLEEPING}")).await;
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await;
}

async fn end_sleepers(servers: &Servers) {
    servers.execute(&format!("select pg_terminate_backend(pid) {SLEEPING}")).await;
}

/// Kills a worker while it writes a batch with this many earlier attempts, starts another worker, and returns the
/// final status.
async fn kill_during_attempt(attempts_before: u32) -> (Site, serde_json::Value) {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let path = site.client.upload(users(["a", "b", "c"])).await;
    let servers = site.servers.clone().unwrap();
    if attempts_before > 0 {
        servers.execute(&format!("insert into attempts values (1, 1, {attempts_before})")).await;
    }
    make_writers_sleep(&servers).await;
    site.start_worker().await;
    wait_for_sleepers(&servers, 1).await;
    site.workers[0].kill();
    // Postgres would notice that its client is dead only after the sleep.
    end_sleepers(&servers).await;
    servers.execute("drop trigger sleeps on users").await;
    site.start_worker().await;
    let status = site.client.wait_until_final(&path).await;
    (site, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_worker_was_killed_is_applied_by_the_next_worker() {
    for attempts_before in [0, 2] {
        let (site, status) = kill_during_attempt(attempts_before).await;
        assert_eq!(status.counts(), created(3));
        let recorded = site.servers.as_ref().unwrap().number("select sum(attempts) from attempts").await;
        assert_eq!(recorded, i64::from(attempts_before) + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_kills_its_workers_fails_after_five_attempts() {
    let (site, status) = kill_during_attempt(4).await;
    assert_eq!(status.counts(), failed(3));
    assert_eq!(status["status"], "FAILED");
    let errors = site.client.get("/bulk/v1/files/1/errors").await.json()["errors"].clone();
    assert_eq!((errors[0]["line"].as_u64(), errors[0]["code"].as_str()), (Some(2), Some("not_applied")));
}

/// After repeated attempts, batches are applied one at a time. Only the batch being applied then records an attempt,
/// and a worker that stops in an orderly way undoes that record.
#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_is_recorded_for_a_batch_that_waited_or_was_aborted_by_a_stop() {
    let variables = vec![("MUSTER_DRAIN_SECONDS".to_owned(), "1".to_owned())];
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, variables, ..SiteOptions::default() })
            .await;
    let servers = site.servers.clone().unwrap();
    let path = site.client.upload(large_file()).await;
    servers.execute("insert into attempts select 1, batch, 2 from generate_series(1, 30) as batch").await;
    make_writers_sleep(&servers).await;
    let recorded = "select sum(attempts - 2)::bigint from attempts";

    site.start_worker().await;
    wait_for_sleepers(&servers, 2).await;
    site.workers[0].kill();
    end_sleepers(&servers).await;
    wait_for_sleepers(&servers, 0).await;
    // Both batches are redelivered: one is applied alone, the other waits for it.
    site.start_worker().await;
    wait_for_sleepers(&servers, 1).await;
    assert_eq!(servers.number(recorded).await, 1);
    site.workers[1].terminate().await;
    assert_eq!(servers.number(recorded).await, 0, "the attempt was undone");

    end_sleepers(&servers).await;
    servers.execute("drop trigger sleeps on users").await;
    site.start_worker().await;
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_violates_a_constraint_fails_alone() {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions::default()).await;
    let servers = site.servers.as_ref().unwrap();
    servers.execute("alter table users add constraint test_refuses check (username <> 'poison')").await;
    let status = site.client.import(users(["a", "poison", "b"])).await;
    assert_eq!(status.counts(), created(2).failed(1));
    assert_eq!(status["error_message"], "Line 3: the database rejected this row");
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_never_appears_in_debug_logs() {
    let variables = vec![("MUSTER_LOG".to_owned(), "debug".to_owned())];
    for backend in [Backend::Embedded, Backend::Distributed] {
        let options = SiteOptions { variables: variables.clone(), ..SiteOptions::default() };
        let site = Site::start(MUSTER, backend, options).await;
        let file = "EMAIL,USERNAME,FIRST_NM,LAST_NM,INTF_PUBLISH_DT\n\
                    canary1@x,canary2,canary3,canary4,\ncanary5,canary6,c,c,\na@x,canary7,c,c,canary8\n";
        let status = site.client.import(file).await;
        assert_eq!(status.counts(), created(1).failed(2));
        assert!(!status.to_string().contains("canary"), "{status}");
        site.client.user("canary2").await;
        assert!(!site.output().contains("canary"), "{backend:?}: {}", site.output());
    }
}

/// If the reader of the log closes its pipe, only log lines are lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_pipe_does_not_stop_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let mut program = Program::start_with_closed_stderr(MUSTER, &["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    let after = |prefix: &'static str| move |line: &str| Some(line.trim().strip_prefix(prefix)?.trim().to_owned());
    let url = program.line("the URL", after("Muster is listening on")).await;
    let token = program.line("the token", after("token ")).await;
    let client = Client::new(url.clone(), url, Some(token));
    assert_eq!(client.import(users(["a", "b"])).await.counts(), created(2));
    assert!(program.terminate().await.success());
}
