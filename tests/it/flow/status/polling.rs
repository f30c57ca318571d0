//! Many clients poll the status of the same file at the same time.

use std::time::Duration;

use futures_util::future::join_all;
use muster_testkit::{Backend, Proxy, Servers, Site, Traffic, wait_until};

use crate::flow::{site, users};

const POLLERS: i64 = 64;

/// Counts the scans of the tables `tokens` and `jobs`. Postgres adds the scans of a connection when it ends, so this
/// waits until no process of Muster is connected.
async fn count_scans(servers: &Servers) -> [i64; 2] {
    let connections = "select count(*) from pg_stat_activity where datname = current_database() \
                     and application_name like 'muster%'";
    wait_until("no process of Muster is connected to the database", || async {
        let open = servers.number(connections).await;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    let scans = |table| format!("select seq_scan + idx_scan from pg_stat_user_tables where relname = '{table}'");
    [servers.number(&scans("tokens")).await, servers.number(&scans("jobs")).await]
}

/// Starts the status service alone, with a slow connection to its database.
async fn start_status_with_slow_database(site: &mut Site, proxy: &Proxy) {
    let url = proxy.url(&site.servers.as_ref().unwrap().database_url);
    site.options.variables.push(("MUSTER_DATABASE_URL".to_owned(), url));
    site.start_status().await;
    proxy.set(Traffic::Delay(Duration::from_millis(60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_status_requests_share_their_lookups() {
    let mut site = site(Backend::Distributed).await;
    let path = site.client.upload(users(["a"])).await;
    site.client.wait_until_final(&path).await;
    site.stop().await;
    let servers = site.servers.clone().unwrap();
    let [tokens_before, jobs_before] = count_scans(&servers).await;
    let proxy = Proxy::start(&servers.database_url).await;
    start_status_with_slow_database(&mut site, &proxy).await;
    for response in join_all((0..POLLERS).map(|_| site.client.get(&path))).await {
        assert_eq!((response.status, &response.json()["created_users"]), (200, &1.into()), "{}", response.text);
    }
    proxy.set(Traffic::Pass);
    site.stop().await;
    let [tokens_after, jobs_after] = count_scans(&servers).await;
    for (table, scans) in [("tokens", tokens_after - tokens_before), ("jobs", jobs_after - jobs_before)] {
        assert!((1..POLLERS / 2).contains(&scans), "{scans} scans of {table} for {POLLERS} clients");
    }
}
