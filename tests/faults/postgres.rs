//! The database restarts, loses connections in the middle of a commit, and has none to spare.

use std::time::Duration;

use muster_testkit::{FaultServers, Server, SiteOptions, Traffic};

use super::{File, Trial, breakable, options, site, wired};
use crate::MUSTER;

mod quick {
    use super::*;

    /// F63: restarted in good order and killed, in turn, while files are imported.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_database_restarts_again_and_again() {
        let (servers, site) = breakable(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(41, 9_000, 60_000)).await;
        trial.upload(File::mixed(42, 9_000, 9_000)).await;
        trial.in_the_middle(&path).await;
        for round in 0..4 {
            if round % 2 == 1 {
                servers.kill(Server::Postgres).await;
            }
            servers.restart(Server::Postgres).await;
            trial.in_the_middle(&path).await;
        }
        trial.check().await;
    }

    /// F64: the connection is cut during COMMIT, before the server sees it and after it has obeyed.
    /// Whoever asked cannot know which; the ledger does.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_whose_answer_is_lost_is_not_repeated() {
        let mut options = options(1);
        let wires = wired(&mut options, true).await;
        let mut trial = Trial::new(site(options).await);
        let path = trial.upload(File::mixed(43, 9_000, 40_000)).await;
        trial.in_the_middle(&path).await;
        for round in 0..8 {
            if round % 2 == 0 {
                wires.postgres.reset_after(b"COMMIT");
            } else {
                wires.postgres.reset_before(b"COMMIT");
            }
            muster_testkit::wait_until("a commit was cut", || async {
                let final_already = trial.site.client.get(&path).await.json()["status"] == "SUCCESS";
                if wires.postgres.is_armed() && !final_already { Err(()) } else { Ok(()) }
            })
            .await;
        }
        trial.check().await;
    }

    /// F66: the disk of the database is full. Batches wait; nothing is refused, lost or counted twice.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_disk_of_the_database_is_full() {
        let servers = FaultServers::take(MUSTER).await;
        let disk = servers.on_small_disk(64).await;
        let site = site(SiteOptions { servers: Some(servers.servers.clone()), ..options(1) }).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(46, 9_000, 60_000)).await;
        trial.in_the_middle(&path).await;
        disk.fill();
        trial.site.workers[0].logged("a batch waits for the database", "job").await;
        disk.free();
        trial.check().await;
        servers.drop_database().await;
    }

    /// F34 for the database: every connection is reset, over and over.
    #[tokio::test(flavor = "multi_thread")]
    async fn connections_to_the_database_are_reset() {
        let mut options = options(2);
        let wires = wired(&mut options, false).await;
        let mut trial = Trial::new(site(options).await);
        let path = trial.upload(File::mixed(44, 9_000, 40_000)).await;
        for _ in 0..10 {
            trial.in_the_middle(&path).await;
            wires.postgres.reset();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        trial.check().await;
    }

    /// F60: BEGIN is slow and its caller goes away. The next one who gets the connection is not
    /// inside of somebody else's transaction.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_that_goes_away_poisons_no_connection() {
        let mut options = options(1);
        let wires = wired(&mut options, false).await;
        let mut trial = Trial::new(site(options).await);
        wires.postgres.set(Traffic::Delay(Duration::from_millis(15)));
        let mut leaving = Vec::new();
        for n in 0..60 {
            let client = trial.site.client.clone();
            let call = async move {
                let call = client.try_send(reqwest::Method::DELETE, "/bulk/v1/files/7", &[], Vec::new());
                let _ = tokio::time::timeout(Duration::from_millis(5 + 3 * n), call).await;
            };
            #[expect(clippy::disallowed_methods, reason = "joined below")]
            leaving.push(tokio::spawn(call));
        }
        for call in leaving {
            call.await.unwrap();
        }
        wires.postgres.set(Traffic::Pass);
        for n in 0..6 {
            trial.upload(File::mixed(50 + n, 300, 500)).await;
        }
        trial.check().await;
    }

    /// F14: without a database an upload is refused before it is read, and keeps nothing.
    #[tokio::test(flavor = "multi_thread")]
    async fn uploads_are_refused_while_the_database_is_away() {
        let mut options = options(1);
        let wires = wired(&mut options, false).await;
        let mut trial = Trial::new(site(options).await);
        wires.postgres.set(Traffic::Refuse);
        wires.postgres.reset();
        let answer = trial.site.client.post(&[("content-type", "text/csv")], File::new_users(0, 10).csv()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("database_unavailable")));
        assert!(answer.headers.contains_key("retry-after"));
        assert_eq!(trial.site.stored_uploads(), 0);
        wires.postgres.set(Traffic::Pass);
        trial.upload(File::new_users(0, 10)).await;
        trial.check().await;
    }
}

mod long {
    use super::*;

    /// F61, F65: silence from the database for longer than any deadline; then it goes on. Workers
    /// hold what they have and take no more.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_database_is_silent_for_two_minutes() {
        let mut options = options(2);
        let wires = wired(&mut options, false).await;
        let mut trial = Trial::new(site(options).await);
        let path = trial.upload(File::mixed(45, 9_000, 40_000)).await;
        trial.in_the_middle(&path).await;
        wires.postgres.set(Traffic::Blackhole);
        tokio::time::sleep(Duration::from_mins(2)).await;
        wires.postgres.set(Traffic::Pass);
        trial.check().await;
    }
}
