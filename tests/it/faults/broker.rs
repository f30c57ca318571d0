//! Faults of the broker: restarts, kills, data loss, silence, full and missing queues, stale acknowledgements.

use std::time::Duration;

use muster_messages::Envelope;
use muster_ports::{Publisher, Queue, QueueError, QueueName};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_runtime::{Shutdown, Tasks};
use muster_testkit::{Broker, Proxy, Server, Servers, Traffic, wait_until};

use super::{
    File, Trial, expire_leases, failpoint, route_through_proxies, start_breakable_site, start_site, verbose_options,
};
use crate::MUSTER;

/// Moves the last progress of every job 90 seconds into the past. The reconciler restarts the split
/// of a job after a minute without progress; the test does not wait for it.
async fn backdate_progress(servers: &Servers) {
    servers.execute("update ledger set applied_at = applied_at - interval '90 seconds'").await;
    servers.execute("update jobs set split_at = split_at - interval '90 seconds'").await;
}

fn connect_queue(url: String, servers: &Servers) -> (RabbitQueue, Shutdown) {
    let shutdown = Shutdown::new();
    let config = RabbitConfig {
        url: url.into(),
        namespace: servers.prefix.clone(),
        connection_name: "fault test".to_owned(),
        publish_deadline: Duration::from_secs(5),
    };
    (RabbitQueue::new(config, Tasks::new(), shutdown.clone()), shutdown)
}

fn message(number: usize) -> Envelope {
    let headers = std::collections::BTreeMap::new();
    Envelope {
        kind: "test".to_owned(),
        version: 1,
        message_id: number.to_string(),
        headers,
        body: b"x".to_vec().into(),
    }
}

mod quick {
    use super::*;

    /// F30, F31: the broker restarts cleanly, then is killed. Confirmed messages survive, and all
    /// consumers reconnect with their prefetch.
    #[tokio::test(flavor = "multi_thread")]
    async fn consumers_reconnect_with_their_prefetch_after_a_broker_restart() {
        let (servers, site) = start_breakable_site(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(61, 9_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        servers.restart(Server::RabbitMq).await;
        trial.wait_for_first_rows(&path).await;
        servers.kill(Server::RabbitMq).await;
        trial.upload(File::mixed(62, 9_000, 3_000)).await;
        servers.restart(Server::RabbitMq).await;
        let prefix = servers.servers.prefix.clone();
        let consumers = wait_until("all consumers have reconnected", || async {
            let listed = servers.rabbitmqctl(&["list_consumers", "queue_name", "prefetch_count"]).await;
            let mut found: Vec<_> =
                listed.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect();
            found.sort();
            if found.len() == 7 { Ok(found) } else { Err(found) }
        })
        .await;
        assert_eq!(
            consumers,
            [
                ".batch.slow.v1\t4",
                ".batch.slow.v1\t4",
                ".batch.small.v1\t7",
                ".batch.small.v1\t7",
                ".batch.v1\t3",
                ".batch.v1\t3",
                ".split.v1\t4"
            ]
        );
        trial.check().await;
    }

    /// F32: the broker restarts without its queues and messages.
    #[tokio::test(flavor = "multi_thread")]
    async fn batches_lost_with_the_broker_are_published_again() {
        let (servers, site) = start_breakable_site(0).await;
        let mut trial = Trial::new(site);
        trial.upload(File::mixed(63, 9_000, 9_000)).await;
        let broker = Broker::connect(&servers.servers).await;
        wait_until("batches are on the queue", || async {
            let waiting = broker.count_waiting("batch.small.v1").await;
            if waiting > Some(0) { Ok(()) } else { Err(waiting) }
        })
        .await;
        servers.wipe_broker().await;
        trial.site.start_worker().await;
        // A splitter that waits for room in its window gives up only after a minute: replace it.
        trial.site.ingest.as_mut().unwrap().kill();
        expire_leases(&trial.site).await;
        backdate_progress(&servers.servers).await;
        trial.site.start_ingest().await;
        trial.check().await;
    }

    /// F34: every connection is reset, in the middle of a frame if there is one.
    #[tokio::test(flavor = "multi_thread")]
    async fn resets_of_broker_connections_lose_nothing() {
        let mut options = verbose_options(2);
        let proxies = route_through_proxies(&mut options, false).await;
        let mut trial = Trial::new(start_site(options).await);
        let path = trial.upload(File::mixed(64, 9_000, 50_000)).await;
        for _ in 0..6 {
            trial.wait_for_first_rows(&path).await;
            proxies.broker.reset();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        trial.check().await;
    }

    /// Packets are tiny or late, so that AMQP frames arrive in pieces.
    #[tokio::test(flavor = "multi_thread")]
    async fn slow_and_fragmented_broker_traffic_loses_nothing() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, true).await;
        let mut trial = Trial::new(start_site(options).await);
        for traffic in [Traffic::Slice, Traffic::Delay(Duration::from_millis(40)), Traffic::Drip(4_000)] {
            proxies.broker.set(traffic);
            trial.upload(File::mixed(65, 900, 3_000)).await;
        }
        trial.check().await;
    }

    /// F11: the broker is unreachable. An upload is still accepted, and imported later.
    #[tokio::test(flavor = "multi_thread")]
    async fn uploads_are_accepted_while_the_broker_is_unreachable() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, false).await;
        let mut trial = Trial::new(start_site(options).await);
        for traffic in [Traffic::Refuse, Traffic::Blackhole] {
            proxies.broker.set(traffic);
            if traffic == Traffic::Refuse {
                proxies.broker.reset();
            }
            trial.upload(File::mixed(66, 900, 3_000)).await;
            proxies.broker.set(Traffic::Pass);
        }
        trial.check().await;
    }

    /// F12, F23, F36: queues are deleted while processes publish to them and consume from them. They
    /// are declared again, and no consumer stays idle.
    #[tokio::test(flavor = "multi_thread")]
    async fn queues_deleted_during_an_import_are_declared_again() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let servers = trial.site.servers.clone().unwrap();
        let broker = Broker::connect(&servers).await;
        let path = trial.upload(File::mixed(67, 9_000, 50_000)).await;
        trial.wait_for_first_rows(&path).await;
        for queue in ["split.v1", "batch.small.v1", "batch.v1"] {
            broker.delete(queue).await;
        }
        trial.site.ingest.as_mut().unwrap().kill();
        expire_leases(&trial.site).await;
        trial.site.start_ingest().await;
        trial.upload(File::mixed(68, 900, 3_000)).await;
        wait_until("the first job is final", || async {
            backdate_progress(&servers).await;
            let status = trial.site.client.get(&path).await.json();
            if status["status"] == "PROCESSING" { Err(status) } else { Ok(()) }
        })
        .await;
        trial.check().await;
    }

    /// F23: the broker confirms a message that it returned because its queue does not exist. The
    /// publication fails, and the next one declares the queue again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_returned_message_is_not_reported_as_published() {
        let servers = Servers::create(MUSTER).await;
        let (queue, _) = connect_queue(servers.amqp_url.clone(), &servers);
        let broker = Broker::connect(&servers).await;
        queue.publish(QueueName::Batch, message(1)).await.unwrap();
        broker.delete("batch.v1").await;
        let error = queue.publish(QueueName::Batch, message(2)).await.unwrap_err();
        assert!(matches!(error, QueueError::NoSuchQueue(_)), "{error}");
        queue.publish(QueueName::Batch, message(2)).await.unwrap();
        assert_eq!(broker.count_waiting("batch.v1").await, Some(1));
    }

    /// F13: a full queue rejects a publication, which is retried with backoff.
    #[tokio::test(flavor = "multi_thread")]
    async fn publishing_to_a_full_queue_is_retried() {
        let (servers, site) = start_breakable_site(0).await;
        let mut trial = Trial::new(site);
        let pattern = format!("^{}", servers.servers.prefix);
        servers.rabbitmqctl(&["set_policy", "full", &pattern, "{\"max-length\":1}", "--apply-to", "queues"]).await;
        trial.upload(File::new_users(0, 30_000)).await;
        let broker = Broker::connect(&servers.servers).await;
        wait_until("the queue is full", || async {
            let waiting = broker.count_waiting("batch.v1").await;
            if waiting >= Some(1) { Ok(()) } else { Err(waiting) }
        })
        .await;
        trial.site.start_worker().await;
        trial.wait_for_first_rows("/bulk/v1/files/1").await;
        servers.rabbitmqctl(&["clear_policy", "full"]).await;
        trial.check().await;
    }

    /// F25: a memory alarm blocks publishers. Consumers continue, uploads are accepted, and ingest can
    /// still be stopped.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_broker_alarm_blocks_neither_uploads_nor_shutdown() {
        let (servers, site) = start_breakable_site(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(69, 9_000, 40_000)).await;
        trial.wait_for_first_rows(&path).await;
        servers.rabbitmqctl(&["set_vm_memory_high_watermark", "0"]).await;
        trial.upload(File::mixed(70, 900, 900)).await;
        assert!(trial.site.ingest.as_mut().unwrap().terminate().await.success());
        trial.site.start_ingest().await;
        servers.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]).await;
        trial.check().await;
    }

    /// F35: checking rows takes longer than two heartbeats. The connection survives.
    #[tokio::test(flavor = "multi_thread")]
    async fn heartbeats_continue_while_rows_are_checked() {
        let mut options = verbose_options(0);
        options.worker_variables = failpoint("batch_opened=1*return(9000)");
        let mut trial = Trial::new(start_site(options).await);
        let servers = trial.site.servers.clone().unwrap();
        trial
            .site
            .options
            .worker_variables
            .push(("MUSTER_AMQP_URL".to_owned(), format!("{}?heartbeat=2", servers.amqp_url)));
        trial.site.start_worker().await;
        let path = trial.upload(File::mixed(71, 900, 4_000)).await;
        trial.site.client.wait_until_final(&path).await;
        assert!(!trial.site.output().contains("lost the queue"));
        assert_eq!(servers.number("select count(*) from attempts").await, 0);
        trial.check().await;
    }

    /// F37: the broker closes all connections and their channels. The batches in progress are
    /// finished, and recognized as applied when they are redelivered.
    #[tokio::test(flavor = "multi_thread")]
    async fn connections_that_the_broker_closes_are_replaced() {
        let (servers, site) = start_breakable_site(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(72, 9_000, 50_000)).await;
        for _ in 0..3 {
            trial.wait_for_first_rows(&path).await;
            servers.rabbitmqctl(&["close_all_connections", "--global", "test"]).await;
        }
        trial.check().await;
    }

    /// F38: an acknowledgement that belongs to a lost connection never settles another message on the
    /// next connection, where delivery tags start at 1 again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stale_acknowledgement_settles_no_other_message() {
        let servers = Servers::create(MUSTER).await;
        let proxy = Proxy::start(&servers.amqp_url).await;
        let (direct, _) = connect_queue(servers.amqp_url.clone(), &servers);
        let (proxied, shutdown) = connect_queue(proxy.url(&servers.amqp_url), &servers);
        let mut consumer = proxied.consume(QueueName::Batch, 1);
        let mut next = 0;
        for round in 0..12 {
            direct.publish(QueueName::Batch, message(2 * round)).await.unwrap();
            direct.publish(QueueName::Batch, message(2 * round + 1)).await.unwrap();
            let held = consumer.next().await.unwrap();
            assert_eq!(held.envelope().message_id, next.to_string());
            // Every second message is acknowledged while the connection is being reset.
            if round % 2 == 0 {
                proxy.reset();
                let again = consumer.next().await.unwrap();
                held.ack().await;
                assert_eq!((again.envelope().message_id.clone(), again.is_redelivered()), (next.to_string(), true));
                again.ack().await;
            } else {
                tokio::join!(held.ack(), async { proxy.reset() });
            }
            // The second message is delivered whether or not the first was acknowledged.
            let mut other = consumer.next().await.unwrap();
            if other.envelope().message_id == next.to_string() {
                other.ack().await;
                other = consumer.next().await.unwrap();
            }
            assert_eq!(other.envelope().message_id, (next + 1).to_string());
            other.ack().await;
            next += 2;
        }
        shutdown.force();
    }

    /// F42: a queue exists with other arguments. The error names it, and nothing is published.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_error_names_a_queue_that_has_other_arguments() {
        let (servers, site) = start_breakable_site(0).await;
        let broker = Broker::connect(&servers.servers).await;
        broker.delete("split.v1").await;
        broker.declare_with_other_arguments("split.v1").await;
        let (queue, _) = connect_queue(servers.servers.amqp_url.clone(), &servers.servers);
        let error = queue.publish(QueueName::Split, message(1)).await.unwrap_err();
        assert!(matches!(&error, QueueError::ArgumentMismatch(name) if *name == broker.name("split.v1")), "{error}");
        broker.delete("split.v1").await;
        drop(site);
    }
}

mod long {
    use super::*;

    /// F33: the network drops all packets for longer than two heartbeats. Both sides detect it, another
    /// worker takes the batches, and the ledger prevents a second application.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_silent_broker_connection_is_detected() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, true).await;
        let mut trial = Trial::new(start_site(options).await);
        trial.site.options.worker_variables = Vec::new();
        let path = trial.upload(File::mixed(73, 9_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        proxies.broker.set(Traffic::Blackhole);
        trial.site.start_worker().await;
        trial.site.workers[0]
            .line("the disconnected worker notices", |line| line.contains("lost the queue").then_some(()))
            .await;
        proxies.broker.set(Traffic::Pass);
        trial.check().await;
    }

    /// F86: a batch is removed from its queue. After a real minute without progress, the split of its
    /// job is restarted.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_batch_is_published_again() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        let path = trial.upload(File::mixed(74, 9_000, 1_500)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        wait_until("the batch is on its queue", || async {
            let waiting = broker.count_waiting("batch.small.v1").await;
            if waiting > Some(0) { Ok(()) } else { Err(waiting) }
        })
        .await;
        broker.take_all("batch.small.v1").await;
        trial.site.start_worker().await;
        trial.site.client.wait_until_final(&path).await;
        trial.check().await;
    }
}
