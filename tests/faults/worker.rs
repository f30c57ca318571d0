//! Workers that die, stall, are told twice, and meet rows and messages that cannot be applied.

use std::collections::BTreeSet;

use muster_testkit::{Broker, RawMessage, SiteOptions, wait_until};
use sqlx::{Connection, Executor, PgConnection};

use super::{File, Trial, at, options, site};

/// A trial with two workers of which the first does something at a fail point.
async fn with_first_worker_at(point: &str) -> Trial {
    let mut trial = Trial::new(site(options(0)).await);
    trial.site.options.of_workers = at(point);
    trial.site.start_worker().await;
    trial.site.options.of_workers = Vec::new();
    trial.upload(File::mixed(1, 6_000, 20_000)).await;
    trial.upload(File::mixed(2, 6_000, 9_000)).await;
    trial
}

mod quick {
    use super::*;

    /// F44, F45, F46: killed before the commit, behind it, before and after counting, before the ack.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_dies_between_any_two_lines() {
        for point in ["batch_checked", "users_written", "batch_applied", "batch_counted", "batch_settled"] {
            let mut trial = with_first_worker_at(&format!("{point}=3*off->1*return(abort)")).await;
            trial.site.workers[0].ended().await;
            trial.site.kill_worker(0);
            trial.site.start_worker().await;
            trial.check().await;
        }
    }

    /// F53: a panic in the code that checks rows ends neither the process nor the job.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_in_row_code_costs_a_redelivery() {
        let mut trial = with_first_worker_at("batch_checked=2*off->1*return(panic)").await;
        assert!(trial.site.workers[0].is_running());
        let output = trial.site.workers[0].output();
        assert!(!output.contains("fail point batch_checked"), "the message of a panic may hold a value");
        trial.check().await;
    }

    /// F53: rows that make every worker panic are reported in the end, and the next job runs.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_that_always_panics_is_given_up() {
        let options = SiteOptions { of_workers: at("batch_checked=6*return(panic)"), ..options(1) };
        let mut trial = Trial::new(site(options).await);
        trial.upload(File::new_users(0, 3)).await;
        trial.given_up.extend([2, 3, 4]);
        let first = trial.uploads[0].path.clone();
        assert_eq!(trial.site.client.finished(&first).await["failed_users"], 3);
        trial.check().await;
    }

    /// F48: the same batch, eight times, at two workers at once.
    #[tokio::test(flavor = "multi_thread")]
    async fn duplicates_change_nothing() {
        let mut trial = Trial::new(site(options(0)).await);
        let path = trial.upload(File::new_users(0, 9_000)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        for message in copies(&trial, &broker, 5).await.into_iter().flat_map(|message| vec![message; 8]) {
            assert!(!message.envelope().contains("canary"), "data about a person are in a header");
            broker.publish("batch.small.v1", &message).await;
        }
        trial.site.start_worker().await;
        trial.site.start_worker().await;
        trial.site.client.finished(&path).await;
        trial.check().await;
    }

    /// F49: a job's batches in the opposite order; users repeat across its epochs.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_order_of_delivery_does_not_matter() {
        let mut trial = Trial::new(site(options(0)).await);
        trial.upload(File::new_users(0, 9_500)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        let mut messages = copies(&trial, &broker, 5).await;
        messages.reverse();
        for message in &messages {
            broker.publish("batch.small.v1", message).await;
        }
        trial.upload(File::mixed(5, 3_000, 12_000)).await;
        trial.site.start_worker().await;
        trial.site.start_worker().await;
        trial.check().await;
    }

    /// F62: a batch that comes after its job is final, and after it is deleted.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_late_batch_is_dropped() {
        let mut trial = Trial::new(site(options(0)).await);
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        let path = trial.upload(File::mixed(9, 100, 100)).await;
        let message = copies(&trial, &broker, 1).await.remove(0);
        broker.publish("batch.small.v1", &message).await;
        trial.site.start_worker().await;
        trial.site.client.finished(&path).await;
        // The users must stay as the second job leaves them.
        let second = trial.upload(File::mixed(10, 100, 100)).await;
        trial.site.client.finished(&second).await;
        broker.publish("batch.small.v1", &message).await;
        trial.site.start_worker().await;
        assert_eq!(trial.site.client.delete(&path).await.status, 200);
        broker.publish("batch.small.v1", &message).await;
        // Once more for a worker that has never heard of the job.
        trial.site.kill_worker(0);
        broker.publish("batch.small.v1", &message).await;
        trial.deleted(&path);
        trial.check().await;
    }

    /// F50: messages that no worker can read become dead letters with a reason; workers live on.
    #[tokio::test(flavor = "multi_thread")]
    async fn unreadable_messages_are_dead_lettered() {
        let mut trial = Trial::new(site(options(1)).await);
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        // None of them names a job: the reconciler leaves such letters to people.
        let garbage = [
            RawMessage::forged("", 0, &[], b"\xff\x00garbage"),
            RawMessage::forged("batch", 2, &[], b""),
            RawMessage::forged("batch", 1, &[("job", "one"), ("batch", "1")], b""),
        ];
        for message in &garbage {
            broker.publish("batch.v1", message).await;
            broker.publish("batch.small.v1", message).await;
        }
        broker.publish("split.v1", &garbage[1]).await;
        trial.dead_letters = 7;
        trial.upload(File::mixed(6, 500, 2_500)).await;
        wait_until("all are dead letters", || async {
            let waiting = broker.waiting("dead.v1").await;
            if waiting == Some(7) { Ok(()) } else { Err(waiting) }
        })
        .await;
        let mut letters = Vec::new();
        while letters.len() < 7 {
            // The reconciler may have some in its hand for a moment.
            letters.extend(broker.take_all("dead.v1").await);
        }
        let reasons: BTreeSet<String> = letters.iter().map(|letter| letter.header("reason").unwrap()).collect();
        assert!(reasons.iter().any(|reason| reason.contains("version 1, found batch of version 2")), "{reasons:?}");
        trial.dead_letters = 0;
        trial.check().await;
    }

    /// F56: an administrator locks rows against the order of the worker; the worker is the victim or
    /// waits, and tries again.
    #[tokio::test(flavor = "multi_thread")]
    async fn deadlocks_are_tried_again() {
        let mut trial = Trial::new(site(options(1)).await);
        let first = trial.upload(File::new_users(0, 1_000)).await;
        trial.site.client.finished(&first).await;
        let url = trial.site.servers.as_ref().unwrap().database_url.clone();
        let mut admin = PgConnection::connect(&url).await.unwrap();
        for round in 0..6 {
            let mut locks = admin.begin().await.unwrap();
            locks.execute("select id from users where username_key like 'canary9%' for update").await.unwrap();
            let path = trial.upload(File::mixed(100 + round, 1_000, 1_500)).await;
            let waits = "select count(*) from pg_stat_activity where datname = current_database() \
                         and wait_event_type = 'Lock' and application_name = 'muster worker'";
            let servers = trial.site.servers.clone().unwrap();
            wait_until("the worker waits for a row", || async {
                if servers.number(waits).await > 0 { Ok(()) } else { Err(()) }
            })
            .await;
            // One of the two is told that there is a deadlock: if it is this one, so much the better.
            let _ = locks.execute("update users set updated_at = now() where username_key like 'canary1%'").await;
            locks.rollback().await.unwrap();
            trial.site.client.finished(&path).await;
        }
        trial.check().await;
    }

    /// F51: the database refuses one row of many; it fails alone, whatever its batch.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_row_that_the_database_refuses_fails_alone() {
        let mut trial = Trial::new(site(options(2)).await);
        let servers = trial.site.servers.clone().unwrap();
        servers.execute("alter table users add constraint test_refuses check (username <> 'canary4321')").await;
        trial.upload(File::new_users(0, 9_000)).await;
        trial.given_up.insert(4_323);
        trial.check().await;
    }

    /// F54: asked to stop under load, over and over, a worker loses nothing and ends in good order.
    #[tokio::test(flavor = "multi_thread")]
    async fn workers_that_are_asked_to_stop_lose_nothing() {
        let mut trial = Trial::new(site(options(1)).await);
        let path = trial.upload(File::mixed(7, 9_000, 30_000)).await;
        for _ in 0..6 {
            trial.in_the_middle(&path).await;
            trial.site.start_worker().await;
            let mut old = trial.site.workers.remove(0);
            assert!(old.terminate().await.success());
        }
        trial.check().await;
    }

    /// A second signal ends a worker at once, whatever it is doing.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_signal_ends_a_worker_at_once() {
        let mut trial = with_first_worker_at("batch_applied=return(hang)").await;
        let mut hanging = trial.site.workers.remove(0);
        hanging.logged("a fail point was reached", "point").await;
        hanging.signal("-TERM");
        hanging.logged("stopping: running work may finish", "message").await;
        assert!(hanging.is_running());
        hanging.signal("-TERM");
        assert!(hanging.ended().await.success());
        trial.site.start_worker().await;
        trial.check().await;
    }
}

mod long {
    use super::*;

    /// F47: a worker that stands still inside its transaction. The server ends the transaction, a
    /// peer applies the batch, and the sleeper finds it done.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_is_paused_in_its_transaction() {
        let mut trial = with_first_worker_at("users_written=2*off->1*return(1000)").await;
        trial.site.workers[0].logged("a fail point was reached", "point").await;
        trial.site.workers[0].signal("-STOP");
        trial.site.start_worker().await;
        let servers = trial.site.servers.clone().unwrap();
        wait_until("the server has ended the transaction", || async {
            let open = "select count(*) from pg_stat_activity where datname = current_database() \
                        and application_name = 'muster worker' and state = 'idle in transaction'";
            if servers.number(open).await == 0 { Ok(()) } else { Err(()) }
        })
        .await;
        trial.site.workers[0].signal("-CONT");
        trial.check().await;
    }

    /// F59: an administrator holds the whole table for longer than a lock may be waited for.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_locked_table_is_waited_for() {
        let mut trial = Trial::new(site(options(1)).await);
        let servers = trial.site.servers.clone().unwrap();
        let mut admin = PgConnection::connect(&servers.database_url).await.unwrap();
        let mut lock = admin.begin().await.unwrap();
        lock.execute("lock table users").await.unwrap();
        let path = trial.upload(File::mixed(8, 900, 2_000)).await;
        trial.site.workers[0]
            .line("the worker gave up waiting once", |line| line.contains("a batch waits").then_some(()))
            .await;
        assert_eq!(trial.site.client.get(&path).await.json()["status"], "PROCESSING", "the status answers meanwhile");
        lock.rollback().await.unwrap();
        trial.check().await;
    }

    /// F41, F52: a batch that kills whoever touches it is given up at the fifth try with its rows
    /// reported; its neighbours finish.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_that_kills_its_workers_is_parked() {
        let options = SiteOptions { of_workers: at("batch_checked=return(abort)"), ..options(0) };
        let mut trial = Trial::new(site(options).await);
        let first = trial.upload(File::new_users(0, 3)).await;
        for _ in 0..5 {
            trial.site.start_worker().await;
            let mut worker = trial.site.workers.pop().unwrap();
            worker.ended().await;
        }
        trial.site.options.of_workers = Vec::new();
        trial.site.start_worker().await;
        assert_eq!(trial.site.client.finished(&first).await["failed_users"], 3);
        trial.given_up.extend([2, 3, 4]);
        trial.check().await;
    }
}

/// Takes the batches of a job from the queue once all of them are there.
async fn copies(trial: &Trial, broker: &Broker, batches: u32) -> Vec<RawMessage> {
    let servers = trial.site.servers.as_ref().unwrap();
    wait_until("the file is cut", || async {
        let waiting = broker.waiting("batch.small.v1").await;
        let split = servers.number("select coalesce(max(total_batches), 0) from jobs").await;
        if waiting == Some(batches) && split == i64::from(batches) { Ok(()) } else { Err((waiting, split)) }
    })
    .await;
    broker.take_all("batch.small.v1").await
}
