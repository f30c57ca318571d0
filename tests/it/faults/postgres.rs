//! Faults of the database: restarts, lost connections, a full disk, silence.

use std::time::Duration;

use muster_testkit::{FaultServers, Server, SiteOptions, Traffic};

use super::{File, Trial, route_through_proxies, start_breakable_site, start_site, verbose_options};
use crate::MUSTER;

mod quick {
    use super::*;

    /// F63: the database is restarted cleanly and killed, in turn, while files are imported.
    #[tokio::test(flavor = "multi_thread")]
    async fn repeated_database_restarts_lose_nothing() {
        let (servers, site) = start_breakable_site(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(41, 9_000, 60_000)).await;
        trial.upload(File::mixed(42, 9_000, 9_000)).await;
        trial.wait_for_first_rows(&path).await;
        for round in 0..4 {
            if round % 2 == 1 {
                servers.kill(Server::Postgres).await;
            }
            servers.restart(Server::Postgres).await;
            trial.wait_for_first_rows(&path).await;
        }
        trial.check().await;
    }

    /// F64: the connection is reset during COMMIT, either before the server receives it or after the
    /// server has committed. The worker cannot know which; the ledger decides.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_whose_commit_is_uncertain_is_applied_once() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, true).await;
        let mut trial = Trial::new(start_site(options).await);
        let path = trial.upload(File::mixed(43, 9_000, 40_000)).await;
        trial.wait_for_first_rows(&path).await;
        for round in 0..8 {
            if round % 2 == 0 {
                proxies.postgres.reset_after(b"COMMIT");
            } else {
                proxies.postgres.reset_before(b"COMMIT");
            }
            muster_testkit::wait_until("the connection was reset during a commit", || async {
                let is_final = trial.site.client.get(&path).await.json()["status"] == "SUCCESS";
                if proxies.postgres.is_armed() && !is_final { Err(()) } else { Ok(()) }
            })
            .await;
        }
        trial.check().await;
    }

    /// F66: the disk of the database is full. Batches wait; no row fails, is lost or is counted twice.
    #[tokio::test(flavor = "multi_thread")]
    async fn batches_wait_while_the_database_disk_is_full() {
        let servers = FaultServers::acquire(MUSTER).await;
        let disk = servers.move_to_small_disk(64).await;
        let site = start_site(SiteOptions { servers: Some(servers.servers.clone()), ..verbose_options(1) }).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(46, 9_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        disk.fill();
        trial.site.workers[0].wait_for_log("a batch is waiting for the database", "job").await;
        disk.free();
        trial.check().await;
        servers.drop_database().await;
    }

    /// Every connection to the database is reset, repeatedly (F34, for the database).
    #[tokio::test(flavor = "multi_thread")]
    async fn resets_of_database_connections_lose_nothing() {
        let mut options = verbose_options(2);
        let proxies = route_through_proxies(&mut options, false).await;
        let mut trial = Trial::new(start_site(options).await);
        let path = trial.upload(File::mixed(44, 9_000, 40_000)).await;
        for _ in 0..10 {
            trial.wait_for_first_rows(&path).await;
            proxies.postgres.reset();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        trial.check().await;
    }

    /// F60: clients disconnect while BEGIN is slow. The next user of such a connection does not find an
    /// open transaction.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_disconnects_during_begin_poisons_no_connection() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, false).await;
        let mut trial = Trial::new(start_site(options).await);
        proxies.postgres.set(Traffic::Delay(Duration::from_millis(15)));
        let mut calls = Vec::new();
        for n in 0..60 {
            let client = trial.site.client.clone();
            let call = async move {
                let call = client.try_send(reqwest::Method::DELETE, "/bulk/v1/files/7", &[], Vec::new());
                let _ = tokio::time::timeout(Duration::from_millis(5 + 3 * n), call).await;
            };
            #[expect(clippy::disallowed_methods, reason = "joined below")]
            calls.push(tokio::spawn(call));
        }
        for call in calls {
            call.await.unwrap();
        }
        proxies.postgres.set(Traffic::Pass);
        for n in 0..6 {
            trial.upload(File::mixed(50 + n, 300, 500)).await;
        }
        trial.check().await;
    }

    /// F14: the database is unreachable. An upload is refused before its body is read, and nothing is stored.
    #[tokio::test(flavor = "multi_thread")]
    async fn uploads_are_refused_while_the_database_is_unreachable() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, false).await;
        let mut trial = Trial::new(start_site(options).await);
        proxies.postgres.set(Traffic::Refuse);
        proxies.postgres.reset();
        let answer = trial.site.client.post(&[("content-type", "text/csv")], File::new_users(0, 10).csv()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("database_unavailable")));
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(trial.site.count_stored_uploads(), 0);
        proxies.postgres.set(Traffic::Pass);
        trial.upload(File::new_users(0, 10)).await;
        trial.check().await;
    }
}

mod long {
    use super::*;

    /// F61, F65: the database sends nothing for longer than any deadline, then continues. Workers hold
    /// the batches that they have and take no others.
    #[tokio::test(flavor = "multi_thread")]
    async fn two_minutes_of_database_silence_lose_nothing() {
        let mut options = verbose_options(2);
        let proxies = route_through_proxies(&mut options, false).await;
        let mut trial = Trial::new(start_site(options).await);
        let path = trial.upload(File::mixed(45, 9_000, 40_000)).await;
        trial.wait_for_first_rows(&path).await;
        proxies.postgres.set(Traffic::Blackhole);
        tokio::time::sleep(Duration::from_mins(2)).await;
        proxies.postgres.set(Traffic::Pass);
        trial.check().await;
    }
}
