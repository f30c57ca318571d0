//! Jobs that decide waiting rows and block missing users, interrupted at every step of their end.

use muster_testkit::{Backend, Client, Site, SiteOptions, wait_until};
use reqwest::Method;

use super::{failpoint, verbose_options};
use crate::MUSTER;

/// The fail points between the first batch of a job and its final state.
const FAILPOINTS: [&str; 6] =
    ["users_written", "batch_applied", "batch_settled", "job_complete", "waiting_decided", "missing_blocked"];
/// The number of users that pass their e-mails round: more than a batch has.
const RING: u32 = 3_000;

/// Each of the first `ring` users has the e-mail that belongs to the next one if `ring` is 0.
fn collaborator_csv(users: std::ops::Range<u32>, ring: u32) -> Vec<u8> {
    let email = |n: u32| if n < ring { (n + 1) % ring } else { n };
    let rows = users.map(|n| format!("u{n};Last;First;;u{n};u{}@x.example\n", email(n)));
    format!("ID;Last name;First name;Middle name;Login;Email\n{}", rows.collect::<String>()).into_bytes()
}

/// Uploads a file and returns the path of its status.
async fn upload(client: &Client, file: Vec<u8>) -> String {
    let headers = [("content-type", "text/csv"), ("prefer", "respond-async")];
    let response = client.send(Method::POST, "/api/v2/users-import/csv", &headers, file).await;
    assert_eq!(response.status, 202, "{}", response.text);
    let url = response.json()["status_url"].as_str().unwrap().to_owned();
    url[url.find("/bulk/v1/files/").unwrap()..].to_owned()
}

/// Asserts that the e-mails were passed round and that the three missing users of 5,000 were blocked, both once.
async fn assert_ended_once(site: &Site, path: &str, step: &str) {
    let status = site.client.wait_until_final(path).await;
    let number = |key: &str| status[key].as_u64().unwrap();
    let found = ["blocked_users", "unblocked_users", "updated_users", "unchanged_users", "failed_users"].map(number);
    let expected = [3, 0, u64::from(RING), 4_997 - u64::from(RING), 0];
    assert_eq!((found, &status["status"]), (expected, &"SUCCESS".into()), "{step}: {status}");
    for (user, email) in [("u0", "u1@x.example"), ("u2999", "u0@x.example"), ("u3000", "u3000@x.example")] {
        assert_eq!(site.client.user(user).await["email"], email, "{step}: {user}");
    }
    for (user, reason) in [("u4996", serde_json::Value::Null), ("u4997", "missing".into()), ("u4999", "missing".into())]
    {
        assert_eq!(site.client.user(user).await["blocked_reason"], reason, "{step}: {user}");
    }
    let again = upload(&site.client, collaborator_csv(0..4_997, RING)).await;
    let status = site.client.wait_until_final(&again).await;
    let found = ["blocked_users", "unchanged_users"].map(|key| status[key].as_u64().unwrap());
    assert_eq!(found, [0, 4_997], "{step}: the same file changes nothing");
}

/// Waits until the worker has died or the job is final: the splitter may finish the job first, so that the
/// worker never reaches the last fail points.
async fn wait_until_dead_or_final(site: &mut Site, path: &str) {
    let client = site.client.clone();
    wait_until("the worker is dead or the job is final", || {
        let is_running = site.workers[0].is_running();
        let client = client.clone();
        async move {
            let status = client.get(path).await.json();
            if !is_running || status["finished_at"].is_string() { Ok(()) } else { Err(status) }
        }
    })
    .await;
}

async fn import_users_and_enable_blocking(site: &mut Site) {
    let first = upload(&site.client, collaborator_csv(0..5_000, 0)).await;
    assert_eq!(site.client.wait_until_final(&first).await["created_users"], 5_000);
    let set = ["tenant", "set", "default", "--missing-users", "block"];
    site.while_stopped(|site| site.admin(&set).unwrap()).await;
}

/// Imports 25,000 users and then, with a file that names 1,000 of them, blocks the others in pieces of 10,000. `set` are
/// the fail points of the process that blocks them.
async fn start_to_block_many(site: &mut Site, set: &str) -> String {
    let first = upload(&site.client, collaborator_csv(0..25_000, 0)).await;
    assert_eq!(site.client.wait_until_final(&first).await["created_users"], 25_000);
    let guard = ["tenant", "set", "default", "--missing-users", "block", "--missing-guard-percent", "100"];
    site.while_stopped(|site| site.admin(&guard).unwrap()).await;
    if site.workers.is_empty() {
        site.ingest.as_mut().unwrap().terminate().await;
        site.options.variables = failpoint(set);
        site.start_ingest().await;
    } else {
        site.kill_worker(0);
        site.options.worker_variables = failpoint(set);
        site.start_worker().await;
    }
    upload(&site.client, collaborator_csv(0..1_000, 0)).await
}

/// Asserts that 24,000 users are blocked, each once.
async fn assert_many_blocked_once(site: &Site, path: &str) {
    let status = site.client.wait_until_final(path).await;
    let found = ["blocked_users", "unchanged_users", "total_users"].map(|key| status[key].as_u64().unwrap());
    assert_eq!((found, &status["status"]), ([24_000, 1_000, 1_000], &"SUCCESS".into()), "{status}");
    for (user, reason) in [("u999", serde_json::Value::Null), ("u1000", "missing".into()), ("u24999", "missing".into())]
    {
        assert_eq!(site.client.user(user).await["blocked_reason"], reason, "{user}");
    }
    assert_blocked(site, 24_000).await;
}

/// Imports all 25,000 users again, and asserts that this many were blocked until then.
async fn assert_blocked(site: &Site, users: u64) {
    let path = upload(&site.client, collaborator_csv(0..25_000, 0)).await;
    let status = site.client.wait_until_final(&path).await;
    let found = ["blocked_users", "unblocked_users"].map(|key| status[key].as_u64().unwrap());
    assert_eq!(found, [0, users], "the users are back in the file: {status}");
}

/// Waits until a piece of missing users is blocked. Its users can be any, since batches are applied in any order.
async fn wait_until_one_is_blocked(client: &Client) {
    wait_until("a piece is blocked", || async {
        let mut users = Vec::new();
        for n in (1_000..25_000).step_by(1_000) {
            users.push(client.user(&format!("u{n}")).await);
        }
        if users.iter().any(|user| user["blocked_reason"] == "missing") { Ok(()) } else { Err(users) }
    })
    .await;
}

/// Kills the processes of the site and starts them again without fail points.
async fn replace_processes(site: &mut Site) {
    site.options.variables = Vec::new();
    site.options.worker_variables = Vec::new();
    site.ingest.as_mut().unwrap().kill();
    site.start_ingest().await;
    if !site.workers.is_empty() {
        site.kill_worker(0);
        site.start_worker().await;
    }
}

/// Cancels a job whose processes stop for good after a piece. The users of the pieces that were blocked by then stay
/// blocked and are counted; each of several processes may have blocked one.
async fn cancel_between_pieces(site: &mut Site) {
    let stop = "missing_piece_blocked=return(hang)";
    site.options.variables.extend(failpoint(stop));
    site.ingest.as_mut().unwrap().terminate().await;
    site.start_ingest().await;
    let path = start_to_block_many(site, stop).await;
    wait_until_one_is_blocked(&site.client).await;
    let response = site.client.send(Method::POST, &format!("{path}/cancel"), &[], Vec::new()).await;
    assert_eq!(response.status, 200, "{}", response.text);
    let status = site.client.wait_until_final(&path).await;
    assert_eq!(status["status"], "CANCELED");
    let blocked = status["blocked_users"].as_u64().unwrap();
    assert!([10_000, 20_000, 24_000].contains(&blocked), "{status}");
    replace_processes(site).await;
    assert_blocked(site, blocked).await;
}

mod quick {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn many_missing_users_are_blocked_once_if_a_worker_dies_between_pieces() {
        let mut site = super::super::start_site(verbose_options(1)).await;
        let path = start_to_block_many(&mut site, "missing_piece_blocked=1*off->1*return(abort)").await;
        wait_until_dead_or_final(&mut site, &path).await;
        site.options.worker_variables = Vec::new();
        site.start_worker().await;
        assert_many_blocked_once(&site, &path).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_missing_users_are_blocked_once_if_the_embedded_service_dies_between_pieces() {
        let mut site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
        let path = start_to_block_many(&mut site, "missing_piece_blocked=1*off->1*return(abort)").await;
        site.ingest.as_mut().unwrap().ended().await;
        site.options.variables = Vec::new();
        site.start_ingest().await;
        assert_many_blocked_once(&site, &path).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_can_be_canceled_while_missing_users_are_blocked() {
        let mut site = super::super::start_site(verbose_options(1)).await;
        cancel_between_pieces(&mut site).await;
        let servers = site.servers.clone().unwrap();
        assert_eq!(servers.number("select count(*) from missing_users").await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_embedded_job_can_be_canceled_while_missing_users_are_blocked() {
        let mut site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
        cancel_between_pieces(&mut site).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_ends_once_if_a_worker_dies_at_any_step() {
        for step in FAILPOINTS {
            let mut site = super::super::start_site(verbose_options(1)).await;
            import_users_and_enable_blocking(&mut site).await;
            site.kill_worker(0);
            site.options.worker_variables = failpoint(&format!("{step}=1*return(abort)"));
            site.start_worker().await;
            let path = upload(&site.client, collaborator_csv(0..4_997, RING)).await;
            wait_until_dead_or_final(&mut site, &path).await;
            site.options.worker_variables = Vec::new();
            site.start_worker().await;
            assert_ended_once(&site, &path, step).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_ends_once_if_the_embedded_service_dies_at_any_step() {
        // SQLite checks for completeness inside the transaction of the batch, and has no `job_complete`.
        for step in FAILPOINTS.into_iter().filter(|step| *step != "job_complete") {
            let mut site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
            import_users_and_enable_blocking(&mut site).await;
            site.ingest.as_mut().unwrap().terminate().await;
            site.options.variables = failpoint(&format!("{step}=1*return(abort)"));
            site.start_ingest().await;
            let path = upload(&site.client, collaborator_csv(0..4_997, RING)).await;
            site.ingest.as_mut().unwrap().ended().await;
            site.options.variables = Vec::new();
            site.start_ingest().await;
            assert_ended_once(&site, &path, step).await;
        }
    }
}

mod long {
    use super::*;

    /// To block many missing users takes longer than any other statement may. A trigger stands in for tens of millions.
    #[tokio::test(flavor = "multi_thread")]
    async fn blocking_missing_users_may_take_longer_than_other_statements() {
        let mut site = super::super::start_site(verbose_options(1)).await;
        import_users_and_enable_blocking(&mut site).await;
        let servers = site.servers.clone().unwrap();
        for statement in [
            "create function slow() returns trigger language plpgsql as
                 $$ begin perform pg_sleep(25); return new; end $$",
            "create trigger slow before update on users for each row when (new.blocked_reason = 'missing')
                 execute function slow()",
        ] {
            servers.execute(statement).await;
        }
        // Three users are blocked, in 75 s; other statements end after 60 s.
        let path = upload(&site.client, collaborator_csv(0..4_997, RING)).await;
        assert_ended_once(&site, &path, "slow").await;
    }
}
