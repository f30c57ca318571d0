//! Faults of the database: restarts, lost connections, a full disk, silence.

use std::time::Duration;

use muster_testkit::{FaultServers, Server, SiteOptions, Traffic};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

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

    /// What can be wrong with a database that is reachable: the SQLSTATE that the workers see, what causes it, and what
    /// repairs it.
    const SICKNESSES: [(&str, &str, &str); 7] = [
        ("42501", "revoke insert, update on users from current_user", "grant insert, update on users to current_user"),
        (
            "25006",
            "do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database());
             end $$; DISCONNECT",
            "do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database());
             end $$",
        ),
        ("28P01", "alter role current_user password 'changed'; DISCONNECT", "alter role current_user password 'ORIGINAL'"),
        (
            "42703",
            "alter table users rename column work_city to work_city_gone",
            "alter table users rename column work_city_gone to work_city",
        ),
        (
            "missing index",
            "drop index users_email_key",
            "create unique index users_email_key on users (tenant, email_key)",
        ),
        ("42P01", "alter table users rename to users_gone", "alter table users_gone rename to users"),
        (
            "XX000",
            "create function fail() returns trigger language plpgsql as
                 $$ begin raise exception 'index is corrupt' using errcode = 'XX000'; end $$;
             create trigger fail before insert or update on users for each row execute function fail()",
            "drop trigger fail on users",
        ),
    ];

    /// Ends the connections of the workers to this database.
    const DISCONNECT: &str = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like '%worker%'";

    /// F67: a database that cannot work makes batches wait, and the worker is not ready meanwhile. No good row is reported
    /// as failed.
    #[tokio::test(flavor = "multi_thread")]
    async fn rows_wait_while_the_database_must_be_repaired() {
        let servers = FaultServers::acquire(MUSTER).await;
        // Connected before anything is wrong: it causes and repairs what no new connection could.
        let url = servers.servers.database_url.clone();
        let mut admin = PgConnection::connect(&url).await.unwrap();
        let password =
            url.split_once("://").unwrap().1.split_once('@').unwrap().0.split_once(':').unwrap().1.to_owned();
        let mut options = verbose_options(1);
        options.worker_variables = vec![("MUSTER_METRICS_LISTEN".to_owned(), "127.0.0.1:0".to_owned())];
        options.servers = Some(servers.servers.clone());
        let mut trial = Trial::new(start_site(options).await);
        let worker = trial.site.workers[0].wait_for_log("metrics ready", "address").await;
        for (number, (code, cause, repair)) in (70..).zip(SICKNESSES) {
            let path = trial.upload(File::mixed(number, 3_000, 30_000)).await;
            trial.wait_for_first_rows(&path).await;
            let statements = cause.replace("DISCONNECT", DISCONNECT);
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap();
            trial.site.workers[0]
                .line("the worker reports the database", |line| {
                    (line.contains("the database must be repaired") && line.contains(code)).then_some(())
                })
                .await;
            assert_unready(&worker, code).await;
            let statements = repair.replace("ORIGINAL", &password);
            sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut admin).await.unwrap();
            trial.site.client.wait_until_final(&path).await;
        }
        trial.check().await;
    }

    /// The readiness check of a worker says that the database must be repaired.
    async fn assert_unready(admin: &str, code: &str) {
        let client = muster_testkit::http_client();
        let response = client.get(format!("{admin}/readyz")).send().await.unwrap();
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        assert_eq!((status, text.contains("must be repaired")), (503, true), "{code}: {text}");
    }

    /// F67: the type of a column changes, so that Postgres refuses prepared statements that return it (0A000, "cached plan
    /// must not change result type"). They are prepared again on new connections.
    #[tokio::test(flavor = "multi_thread")]
    async fn statements_are_prepared_again_when_a_column_changes_its_type() {
        let mut trial = Trial::new(start_site(verbose_options(2)).await);
        let servers = trial.site.servers.clone().unwrap();
        trial.upload(File::mixed(80, 3_000, 9_000)).await;
        trial.upload(File::mixed(81, 3_000, 60_000)).await;
        let path = trial.upload(File::mixed(82, 3_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        servers.execute("alter table users alter column username_key type varchar(4000)").await;
        trial.site.client.wait_until_final(&path).await;
        let is_refused = trial.site.workers.iter().any(|worker| worker.output().contains("0A000"));
        assert!(is_refused, "a prepared statement was refused");
        trial.check().await;
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
        let response = trial.site.client.post(&[("content-type", "text/csv")], File::new_users(0, 10).csv()).await;
        assert_eq!((response.status, response.json()["code"].as_str()), (503, Some("database_unavailable")));
        assert!(response.headers.contains_key("retry-after"));
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
