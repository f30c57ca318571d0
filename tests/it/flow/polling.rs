//! Many who ask for the same file at the same time.

use std::time::Duration;

use futures_util::future::join_all;
use muster_testkit::{Backend, Proxy, Servers, Site, Traffic, wait_until};

use super::{site, users};

const POLLERS: i64 = 64;

/// How often the tables of tokens and of jobs were looked at. A process writes it down when it ends.
async fn looks(servers: &Servers) -> [i64; 2] {
    let processes = "select count(*) from pg_stat_activity where datname = current_database() \
                     and application_name like 'muster%'";
    wait_until("the end of all processes of Muster", || async {
        let left = servers.number(processes).await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    let scans = |table| format!("select seq_scan + idx_scan from pg_stat_user_tables where relname = '{table}'");
    [servers.number(&scans("tokens")).await, servers.number(&scans("jobs")).await]
}

/// The status service alone, with a database that is far away.
async fn far_from_its_database(site: &mut Site, wire: &Proxy) {
    let url = wire.url(&site.servers.as_ref().unwrap().database_url);
    site.options.variables.push(("MUSTER_DATABASE_URL".to_owned(), url));
    site.start_status().await;
    wire.set(Traffic::Delay(Duration::from_millis(60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_at_the_same_time_shares_the_look() {
    let mut site = site(Backend::Distributed).await;
    let path = site.client.upload(users(["a"])).await;
    site.client.finished(&path).await;
    site.stop().await;
    let servers = site.servers.clone().unwrap();
    let before = looks(&servers).await;
    let wire = Proxy::start(&servers.database_url).await;
    far_from_its_database(&mut site, &wire).await;
    for answer in join_all((0..POLLERS).map(|_| site.client.get(&path))).await {
        assert_eq!((answer.status, &answer.json()["created_users"]), (200, &1.into()), "{}", answer.text);
    }
    wire.set(Traffic::Pass);
    site.stop().await;
    let after = looks(&servers).await;
    for (table, looks) in ["tokens", "jobs"].into_iter().zip([after[0] - before[0], after[1] - before[1]]) {
        assert!((1..POLLERS / 2).contains(&looks), "{looks} looks at {table} for {POLLERS} pollers");
    }
}
