//! Jobs that block missing users, interrupted at every step of their end.

use muster_testkit::{Backend, Client, Site, SiteOptions, wait_until};
use reqwest::Method;

use super::{failpoint, verbose_options};
use crate::MUSTER;

/// The fail points between the first batch of a job and its final state.
const FAILPOINTS: [&str; 5] = ["users_written", "batch_applied", "batch_settled", "job_complete", "missing_blocked"];

fn collaborator_csv(users: std::ops::Range<u32>) -> Vec<u8> {
    let rows = users.map(|n| format!("u{n};Last;First;;u{n};u{n}@x.example\n"));
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

/// Asserts that the job blocked the three missing users of 5,000, and that each was blocked once.
async fn assert_blocked_once(site: &Site, path: &str, step: &str) {
    let status = site.client.wait_until_final(path).await;
    let number = |key: &str| status[key].as_u64().unwrap();
    let found = ["blocked_users", "unblocked_users", "unchanged_users", "failed_users"].map(number);
    assert_eq!((found, &status["status"]), ([3, 0, 4_997, 0], &"SUCCESS".into()), "{step}: {status}");
    for (user, reason) in [("u4996", serde_json::Value::Null), ("u4997", "missing".into()), ("u4999", "missing".into())]
    {
        assert_eq!(site.client.user(user).await["blocked_reason"], reason, "{step}: {user}");
    }
    let again = upload(&site.client, collaborator_csv(0..4_997)).await;
    assert_eq!(
        site.client.wait_until_final(&again).await["blocked_users"],
        0,
        "{step}: blocked users are not blocked again"
    );
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
    let first = upload(&site.client, collaborator_csv(0..5_000)).await;
    assert_eq!(site.client.wait_until_final(&first).await["created_users"], 5_000);
    let set = ["tenant", "set", "default", "--missing-users", "block"];
    site.while_stopped(|site| site.admin(&set).unwrap()).await;
}

mod quick {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn missing_users_are_blocked_once_if_a_worker_dies_at_any_step() {
        for step in FAILPOINTS {
            let mut site = super::super::start_site(verbose_options(1)).await;
            import_users_and_enable_blocking(&mut site).await;
            site.kill_worker(0);
            site.options.worker_variables = failpoint(&format!("{step}=1*return(abort)"));
            site.start_worker().await;
            let path = upload(&site.client, collaborator_csv(0..4_997)).await;
            wait_until_dead_or_final(&mut site, &path).await;
            site.options.worker_variables = Vec::new();
            site.start_worker().await;
            assert_blocked_once(&site, &path, step).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn missing_users_are_blocked_once_if_the_embedded_service_dies_at_any_step() {
        // SQLite checks for completeness inside the transaction of the batch, and has no `job_complete`.
        for step in FAILPOINTS.into_iter().filter(|step| *step != "job_complete") {
            let mut site = Site::start(MUSTER, Backend::Embedded, SiteOptions::default()).await;
            import_users_and_enable_blocking(&mut site).await;
            site.ingest.as_mut().unwrap().terminate().await;
            site.options.variables = failpoint(&format!("{step}=1*return(abort)"));
            site.start_ingest().await;
            let path = upload(&site.client, collaborator_csv(0..4_997)).await;
            site.ingest.as_mut().unwrap().ended().await;
            site.options.variables = Vec::new();
            site.start_ingest().await;
            assert_blocked_once(&site, &path, step).await;
        }
    }
}
