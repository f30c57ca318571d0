//! Retention: when the upload, the rejections and the attempts of a final job are removed.

use muster_testkit::{Backend, Servers, Site, SiteOptions, wait_until};

use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::users;

async fn wait_for_no_stored_uploads(site: &Site) {
    wait_until("all uploads are removed", || {
        let found = site.count_stored_uploads();
        std::future::ready(if found == 0 { Ok(()) } else { Err(found) })
    })
    .await;
}

/// Options with these retentions, in days.
fn retention(uploads: &str, reports: &str) -> SiteOptions {
    let variables = [("MUSTER_RETAIN_UPLOADS_DAYS", uploads), ("MUSTER_RETAIN_REPORTS_DAYS", reports)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    SiteOptions { variables, ..SiteOptions::default() }
}

async fn wait_for_removed_errors(site: &Site, path: &str) {
    let response = wait_until("the errors are removed", || async {
        let response = site.client.get(&format!("{path}/errors")).await;
        if response.status == 410 { Ok(response) } else { Err(response) }
    })
    .await;
    assert_eq!(response.json()["code"], "errors_removed", "{}", response.text);
    let status = site.client.get(path).await.json();
    assert_eq!(
        (status.counts(), status["error_message"].as_str()),
        (created(1).failed(1), Some("failed rows: 1; their details have been removed (retention)"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_uploads_are_kept_for_a_week_and_errors_for_a_month() {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions::default()).await;
    let servers = site.servers.clone().unwrap();
    let path = site.client.upload(users(["a"]) + "broken\n").await;
    site.client.wait_until_final(&path).await;
    let finished =
        |days_ago: u32| format!("update jobs set finished_at = now() - interval '{days_ago} days' where id = 1");
    servers.execute(&finished(8)).await;
    wait_for_no_stored_uploads(&site).await;
    assert_eq!(site.client.get(&format!("{path}/errors")).await.status, 200, "a month has not passed");

    servers.execute(&finished(31)).await;
    wait_for_removed_errors(&site, &path).await;
    wait_until("the rejections are removed from the database", || async {
        let remaining = servers.number("select count(*) from rejections").await;
        if remaining == 0 { Ok(()) } else { Err(remaining) }
    })
    .await;
    assert_eq!(site.client.delete(&path).await.status, 200);
    assert_eq!(site.client.get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_retention_of_0_days_everything_but_the_users_is_removed() {
    for backend in [Backend::Embedded, Backend::Distributed] {
        let site = Site::start(MUSTER, backend, retention("0", "0")).await;
        let path = site.client.upload(users(["a"]) + "broken\n").await;
        site.client.wait_until_final(&path).await;
        wait_for_no_stored_uploads(&site).await;
        wait_for_removed_errors(&site, &path).await;
        assert_eq!(site.client.user("a").await["username"], "a", "users stay");
        assert_eq!(site.client.delete(&path).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_retention_of_never_uploads_and_errors_are_kept() {
    let site = Site::start(MUSTER, Backend::Distributed, retention("never", "never")).await;
    let servers = site.servers.clone().unwrap();
    let path = site.client.upload(users(["a"]) + "broken\n").await;
    site.client.wait_until_final(&path).await;
    servers.execute("insert into attempts values (1, 1, 1)").await;
    servers.execute("update jobs set finished_at = now() - interval '99 years'").await;
    // Attempts are always removed: their removal shows that a retention pass has run.
    wait_for_no_attempts(&servers).await;
    servers.execute("insert into attempts values (1, 1, 1)").await;
    wait_for_no_attempts(&servers).await;
    assert_eq!(site.count_stored_uploads(), 1);
    assert_eq!(site.client.get(&format!("{path}/errors")).await.status, 200);
}

async fn wait_for_no_attempts(servers: &Servers) {
    wait_until("the attempts are removed", || async {
        let remaining = servers.number("select count(*) from attempts").await;
        if remaining == 0 { Ok(()) } else { Err(remaining) }
    })
    .await;
}
