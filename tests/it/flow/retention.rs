//! What is kept of a file after its end, and for how long.

use muster_testkit::{Backend, Site, SiteOptions, wait_until};

use super::{counts, users};
use crate::MUSTER;

async fn stored_uploads(site: &Site, count: usize) {
    wait_until("so many uploads are stored", || {
        let found = site.stored_uploads();
        std::future::ready(if found == count { Ok(()) } else { Err(found) })
    })
    .await;
}

fn kept(uploads: &str, reports: &str) -> SiteOptions {
    let variables = [("MUSTER_RETAIN_UPLOADS_DAYS", uploads), ("MUSTER_RETAIN_REPORTS_DAYS", reports)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    SiteOptions { variables, ..SiteOptions::default() }
}

async fn errors_are_gone(site: &Site, path: &str) {
    wait_until("the errors are gone", || async {
        let answer = site.client.get(&format!("{path}/errors")).await;
        if answer.status == 410 { Ok(()) } else { Err(answer) }
    })
    .await;
    let answer = site.client.get(&format!("{path}/errors")).await;
    assert_eq!(answer.json()["code"], "errors_removed", "{}", answer.text);
    let status = site.client.get(path).await.json();
    assert_eq!(
        (counts(&status), status["error_message"].as_str()),
        ([2, 1, 0, 0, 1], Some("failed rows: 1; what was wrong with them is no longer kept"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_kept_for_a_week_and_errors_for_a_month() {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions::default()).await;
    let servers = site.servers.clone().unwrap();
    let path = site.client.upload(users(["a"]) + "broken\n").await;
    site.client.finished(&path).await;
    let later = |days: u32| format!("update jobs set finished_at = now() - interval '{days} days' where id = 1");
    servers.execute(&later(8)).await;
    stored_uploads(&site, 0).await;
    assert_eq!(site.client.get(&format!("{path}/errors")).await.status, 200, "not yet");

    servers.execute(&later(31)).await;
    errors_are_gone(&site, &path).await;
    wait_until("the rows are removed", || async {
        let left = servers.number("select count(*) from rejections").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(site.client.delete(&path).await.status, 200);
    assert_eq!(site.client.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_where_nobody_wants_it() {
    for backend in [Backend::Embedded, Backend::Distributed] {
        let site = Site::start(MUSTER, backend, kept("0", "0")).await;
        let path = site.client.upload(users(["a"]) + "broken\n").await;
        site.client.finished(&path).await;
        stored_uploads(&site, 0).await;
        errors_are_gone(&site, &path).await;
        assert_eq!(site.client.user("a").await["username"], "a", "users stay");
        assert_eq!(site.client.delete(&path).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_kept_where_somebody_wants_it() {
    let site = Site::start(MUSTER, Backend::Distributed, kept("never", "never")).await;
    let servers = site.servers.clone().unwrap();
    let path = site.client.upload(users(["a"]) + "broken\n").await;
    site.client.finished(&path).await;
    servers.execute("insert into attempts values (1, 1, 1)").await;
    servers.execute("update jobs set finished_at = now() - interval '99 years'").await;
    // Upkeep has looked: this goes in any case.
    wait_until("the attempts are removed", || async {
        let left = servers.number("select count(*) from attempts").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    servers.execute("insert into attempts values (1, 1, 1)").await;
    wait_until("upkeep has looked once more", || async {
        let left = servers.number("select count(*) from attempts").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(site.stored_uploads(), 1);
    assert_eq!(site.client.get(&format!("{path}/errors")).await.status, 200);
}
