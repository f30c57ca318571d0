//! Faults of workers: crashes, pauses, duplicate messages, and rows and messages that cannot be applied.

use std::collections::BTreeSet;

use muster_testkit::{Broker, RawMessage, SiteOptions, wait_until};
use sqlx::{Connection, Executor, PgConnection};

use super::{File, Trial, failpoint, start_site, verbose_options};

/// Starts a site whose only worker has a fail point; workers started later have none. Uploads two files.
async fn start_with_worker_failpoint(configuration: &str) -> Trial {
    let mut trial = Trial::new(start_site(verbose_options(0)).await);
    trial.site.options.worker_variables = failpoint(configuration);
    trial.site.start_worker().await;
    trial.site.options.worker_variables = Vec::new();
    trial.upload(File::mixed(1, 6_000, 20_000)).await;
    trial.upload(File::mixed(2, 6_000, 9_000)).await;
    trial
}

mod quick {
    use super::*;

    /// F44, F45, F46: a worker dies before the commit, after the commit, after it counts the batch, or just
    /// before it acknowledges the message.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_that_dies_at_any_step_loses_nothing() {
        for point in ["batch_opened", "users_written", "batch_applied", "batch_counted", "batch_settled"] {
            let mut trial = start_with_worker_failpoint(&format!("{point}=3*off->1*return(abort)")).await;
            trial.site.workers[0].ended().await;
            trial.site.kill_worker(0);
            trial.site.start_worker().await;
            trial.check().await;
        }
    }

    /// F53: a panic while rows are checked costs one redelivery; neither the process nor the job ends.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_while_rows_are_checked_costs_one_redelivery() {
        let mut trial = start_with_worker_failpoint("batch_opened=2*off->1*return(panic)").await;
        assert!(trial.site.workers[0].is_running());
        let output = trial.site.workers[0].output();
        assert!(
            !output.contains("fail point batch_opened"),
            "panic messages are not logged, because they may contain values"
        );
        trial.check().await;
    }

    /// F69: without workers, batches that only wait are not published again.
    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_batches_are_not_published_again() {
        let mut site = start_site(verbose_options(0)).await;
        let servers = site.servers.clone().unwrap();
        let broker = Broker::connect(&servers).await;
        let other = site.tenant("other", &[]).await;
        site.client.upload(File::new_users(0, 5_000).csv()).await;
        let queue = "batch.small.v1";
        wait_until("the batches are published", || async {
            let waiting = broker.count_waiting(queue).await;
            let split = servers.number("select count(*) from jobs where total_batches = 3").await;
            if (waiting, split) == (Some(3), 1) { Ok(()) } else { Err((waiting, split)) }
        })
        .await;
        servers.execute("update jobs set split_at = now() - interval '1 hour'").await;
        // Each of these stops is completed by a pass of the reconciler, which looks for stalled splits first.
        for _ in 0..3 {
            let path = other.upload(File::new_users(0, 1).csv()).await;
            let id = path.rsplit_once('/').unwrap().1.to_owned();
            let split = format!("select count(*) from jobs where id = {id} and total_batches = 1");
            wait_until("the file is split", || async {
                if servers.number(&split).await == 1 { Ok(()) } else { Err("it is not") }
            })
            .await;
            servers
                .execute(&format!(
                    "update jobs set state = 'PROCESSING', stopping = true, started_at = now() where id = {id}"
                ))
                .await;
            assert_eq!(other.wait_until_final(&path).await["status"], "CANCELED");
        }
        assert_eq!(servers.number("select count(*) from jobs where total_batches = 3 and stalls = 0").await, 1);
        assert_eq!(broker.count_waiting(queue).await, Some(6), "three batches, and one of each stopped file");
        site.start_worker().await;
    }

    /// F53: the rows of a batch that panics at every attempt fail as `not_applied`, and its job ends.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_that_always_panics_fails_its_rows() {
        let options = SiteOptions { worker_variables: failpoint("batch_opened=6*return(panic)"), ..verbose_options(1) };
        let mut trial = Trial::new(start_site(options).await);
        trial.upload(File::new_users(0, 3)).await;
        trial.not_applied_lines.extend([2, 3, 4]);
        let first = trial.uploads[0].path.clone();
        assert_eq!(trial.site.client.wait_until_final(&first).await["failed_users"], 3);
        trial.check().await;
    }

    /// F53: a batch has other rows than its split counted, as if the two cut the file differently. It is given up.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_with_other_rows_than_its_split_counted_fails_its_rows() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        trial.upload(File::new_users(0, 3)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        wait_until("the batch is published", || async {
            let waiting = broker.count_waiting("batch.small.v1").await;
            if waiting == Some(1) { Ok(()) } else { Err(waiting) }
        })
        .await;
        let mut batch = broker.take_all("batch.small.v1").await.remove(0);
        assert_eq!(batch.header("rows").as_deref(), Some("3"));
        batch.set_header("rows", "4");
        broker.publish("batch.small.v1", &batch).await;
        trial.site.start_worker().await;
        let first = trial.uploads[0].path.clone();
        assert_eq!(trial.site.client.wait_until_final(&first).await["failed_users"], 4);
        assert_eq!(broker.count_waiting("dead.v1").await, Some(0));
    }

    /// F48: each batch is delivered eight times, to two workers at once.
    #[tokio::test(flavor = "multi_thread")]
    async fn duplicate_batches_change_nothing() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        let path = trial.upload(File::new_users(0, 9_000)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        for message in take_batches(&trial, &broker, 5).await.into_iter().flat_map(|message| vec![message; 8]) {
            assert!(!message.envelope().contains("canary"), "a header contains personal data");
            broker.publish("batch.small.v1", &message).await;
        }
        trial.site.start_worker().await;
        trial.site.start_worker().await;
        trial.site.client.wait_until_final(&path).await;
        trial.check().await;
    }

    /// F49: the batches of one job are delivered in reverse order. Users of the next job repeat across epochs.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_order_of_delivery_does_not_matter() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        trial.upload(File::new_users(0, 9_500)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        let mut messages = take_batches(&trial, &broker, 5).await;
        messages.reverse();
        for message in &messages {
            broker.publish("batch.small.v1", message).await;
        }
        trial.upload(File::mixed(5, 3_000, 12_000)).await;
        trial.site.start_worker().await;
        trial.site.start_worker().await;
        trial.check().await;
    }

    /// F62: a batch is delivered after its job is final, and after its job is deleted.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_of_a_final_or_deleted_job_is_dropped() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        let path = trial.upload(File::mixed(9, 100, 100)).await;
        let message = take_batches(&trial, &broker, 1).await.remove(0);
        broker.publish("batch.small.v1", &message).await;
        trial.site.start_worker().await;
        trial.site.client.wait_until_final(&path).await;
        // The late batch must not overwrite the users that the second job wrote.
        let second = trial.upload(File::mixed(10, 100, 100)).await;
        trial.site.client.wait_until_final(&second).await;
        broker.publish("batch.small.v1", &message).await;
        trial.site.start_worker().await;
        assert_eq!(trial.site.client.delete(&path).await.status, 200);
        broker.publish("batch.small.v1", &message).await;
        // Again, for a worker that has not cached the job.
        trial.site.kill_worker(0);
        broker.publish("batch.small.v1", &message).await;
        trial.record_deletion(&path);
        trial.check().await;
    }

    /// F50: messages that cannot be decoded become dead letters with a reason, and workers continue.
    #[tokio::test(flavor = "multi_thread")]
    async fn unreadable_messages_are_dead_lettered() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        // None of them names a job, so that the reconciler leaves them in the queue.
        let garbage = [
            RawMessage::forge("", 0, &[], b"\xff\x00garbage"),
            RawMessage::forge("batch", 2, &[], b""),
            RawMessage::forge("batch", 1, &[("job", "one"), ("batch", "1")], b""),
        ];
        for message in &garbage {
            broker.publish("batch.v1", message).await;
            broker.publish("batch.small.v1", message).await;
        }
        broker.publish("split.v1", &garbage[1]).await;
        trial.dead_letters = 7;
        trial.upload(File::mixed(6, 500, 2_500)).await;
        wait_until("all messages are dead letters", || async {
            let waiting = broker.count_waiting("dead.v1").await;
            if waiting == Some(7) { Ok(()) } else { Err(waiting) }
        })
        .await;
        let mut letters = Vec::new();
        while letters.len() < 7 {
            // The reconciler may hold some of them for a moment.
            letters.extend(broker.take_all("dead.v1").await);
        }
        let reasons: BTreeSet<String> = letters.iter().map(|letter| letter.header("reason").unwrap()).collect();
        assert!(reasons.iter().any(|reason| reason.contains("version 1, found batch of version 2")), "{reasons:?}");
        trial.dead_letters = 0;
        trial.check().await;
    }

    /// F56: another session locks rows in the opposite order to the worker. If Postgres aborts the
    /// transaction of the worker, the worker retries.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_aborted_by_a_deadlock_is_retried() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let first = trial.upload(File::new_users(0, 1_000)).await;
        trial.site.client.wait_until_final(&first).await;
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
            // Postgres aborts one of the two transactions; the test passes whichever it is.
            let _ = locks.execute("update users set updated_at = now() where username_key like 'canary1%'").await;
            locks.rollback().await.unwrap();
            trial.site.client.wait_until_final(&path).await;
        }
        trial.check().await;
    }

    /// F51: one of 9,000 rows in several batches violates a constraint, while two workers apply them. All
    /// other rows are applied. `flow::recovery::crashes` checks the same for a small file.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_constraint_violation_fails_one_row_among_many_batches() {
        let mut trial = Trial::new(start_site(verbose_options(2)).await);
        let servers = trial.site.servers.clone().unwrap();
        servers.execute("alter table users add constraint test_refuses check (username <> 'canary4321')").await;
        trial.upload(File::new_users(0, 9_000)).await;
        trial.not_applied_lines.insert(4_323);
        trial.check().await;
    }

    /// F54: workers that get SIGTERM under load lose nothing and exit successfully.
    #[tokio::test(flavor = "multi_thread")]
    async fn workers_stopped_under_load_lose_nothing() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let path = trial.upload(File::mixed(7, 9_000, 30_000)).await;
        for _ in 0..6 {
            trial.wait_for_first_rows(&path).await;
            trial.site.start_worker().await;
            let mut old = trial.site.workers.remove(0);
            assert!(old.terminate().await.success());
        }
        trial.check().await;
    }

    /// F54: a second SIGTERM ends a worker at once, whatever it is doing.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_signal_ends_a_worker_at_once() {
        let mut trial = start_with_worker_failpoint("batch_applied=return(hang)").await;
        let mut hanging = trial.site.workers.remove(0);
        hanging.wait_for_log("a fail point was reached", "point").await;
        hanging.signal("-TERM");
        hanging.wait_for_log("stopping: running work may finish", "message").await;
        assert!(hanging.is_running());
        hanging.signal("-TERM");
        assert!(hanging.ended().await.success());
        trial.site.start_worker().await;
        trial.check().await;
    }
}

mod long {
    use super::*;

    /// F47: a worker is paused inside its transaction. Postgres ends the transaction, another worker
    /// applies the batch, and the paused worker finds it applied when it resumes.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_worker_paused_in_its_transaction_applies_nothing_twice() {
        let mut trial = start_with_worker_failpoint("users_written=2*off->1*return(1000)").await;
        trial.site.workers[0].wait_for_log("a fail point was reached", "point").await;
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

    /// F59: another session locks the whole table for longer than `lock_timeout`.
    #[tokio::test(flavor = "multi_thread")]
    async fn batches_wait_while_the_table_is_locked() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let servers = trial.site.servers.clone().unwrap();
        let mut admin = PgConnection::connect(&servers.database_url).await.unwrap();
        let mut lock = admin.begin().await.unwrap();
        lock.execute("lock table users").await.unwrap();
        let path = trial.upload(File::mixed(8, 900, 2_000)).await;
        trial.site.workers[0]
            .line("an attempt of the worker ends at the lock timeout", |line| {
                line.contains("a batch is waiting").then_some(())
            })
            .await;
        assert_eq!(trial.site.client.get(&path).await.json()["status"], "PROCESSING", "the status stays available");
        lock.rollback().await.unwrap();
        trial.check().await;
    }

    /// F41, F52: a batch kills every worker that takes it. After the fifth attempt its rows fail as
    /// `not_applied`.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_that_kills_five_workers_fails_its_rows() {
        let options = SiteOptions { worker_variables: failpoint("batch_opened=return(abort)"), ..verbose_options(0) };
        let mut trial = Trial::new(start_site(options).await);
        let first = trial.upload(File::new_users(0, 3)).await;
        for _ in 0..5 {
            trial.site.start_worker().await;
            let mut worker = trial.site.workers.pop().unwrap();
            worker.ended().await;
        }
        trial.site.options.worker_variables = Vec::new();
        trial.site.start_worker().await;
        assert_eq!(trial.site.client.wait_until_final(&first).await["failed_users"], 3);
        trial.not_applied_lines.extend([2, 3, 4]);
        trial.check().await;
    }
}

/// Waits until a job is split, then takes all of its batches from the queue.
async fn take_batches(trial: &Trial, broker: &Broker, batches: u32) -> Vec<RawMessage> {
    let servers = trial.site.servers.as_ref().unwrap();
    wait_until("the file is split", || async {
        let waiting = broker.count_waiting("batch.small.v1").await;
        let split = servers.number("select coalesce(max(total_batches), 0) from jobs").await;
        if waiting == Some(batches) && split == i64::from(batches) { Ok(()) } else { Err((waiting, split)) }
    })
    .await;
    broker.take_all("batch.small.v1").await
}
