//! The broker restarts, dies, forgets everything, falls silent, refuses, and is lied to.

use std::time::Duration;

use muster_messages::Envelope;
use muster_ports::{Publisher, Queue, QueueError, QueueName};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_runtime::{Shutdown, Tasks};
use muster_testkit::{Broker, Proxy, Server, Servers, Traffic, wait_until};

use super::{File, Trial, at, breakable, options, site, void_leases, wired};
use crate::MUSTER;

/// What a lost broker costs at most: jobs whose batches are gone are cut again after a minute
/// without progress. The test moves the clock instead.
async fn a_minute_later(servers: &Servers) {
    servers.execute("update ledger set applied_at = applied_at - interval '90 seconds'").await;
    servers.execute("update jobs set split_at = split_at - interval '90 seconds'").await;
}

fn queue(url: String, servers: &Servers) -> (RabbitQueue, Shutdown) {
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

    /// F30, F31: restarted in good order, then killed. What is confirmed survives, and consumers
    /// come back with their prefetch.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_broker_restarts_and_is_killed() {
        let (servers, site) = breakable(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(61, 9_000, 60_000)).await;
        trial.in_the_middle(&path).await;
        servers.restart(Server::RabbitMq).await;
        trial.in_the_middle(&path).await;
        servers.kill(Server::RabbitMq).await;
        trial.upload(File::mixed(62, 9_000, 3_000)).await;
        servers.restart(Server::RabbitMq).await;
        let prefix = servers.servers.prefix.clone();
        let all = wait_until("all consumers are back", || async {
            let listed = servers.rabbitmqctl(&["list_consumers", "queue_name", "prefetch_count"]).await;
            let mut found: Vec<_> =
                listed.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect();
            found.sort();
            if found.len() == 5 { Ok(found) } else { Err(found) }
        })
        .await;
        assert_eq!(all, [".batch.small.v1\t2", ".batch.small.v1\t2", ".batch.v1\t3", ".batch.v1\t3", ".split.v1\t4"]);
        trial.check().await;
    }

    /// F32: the broker comes back without its queues and messages.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_broker_loses_everything() {
        let (servers, site) = breakable(0).await;
        let mut trial = Trial::new(site);
        trial.upload(File::mixed(63, 9_000, 9_000)).await;
        let broker = Broker::connect(&servers.servers).await;
        wait_until("batches are on the queue", || async {
            let waiting = broker.waiting("batch.small.v1").await;
            if waiting > Some(0) { Ok(()) } else { Err(waiting) }
        })
        .await;
        servers.wipe_broker().await;
        trial.site.start_worker().await;
        // A splitter that waits for its window is patient for a minute of its own.
        trial.site.ingest.as_mut().unwrap().kill();
        void_leases(&trial.site).await;
        a_minute_later(&servers.servers).await;
        trial.site.start_ingest().await;
        trial.check().await;
    }

    /// F34: every connection is reset, in the middle of whatever it carries.
    #[tokio::test(flavor = "multi_thread")]
    async fn connections_to_the_broker_are_reset() {
        let mut options = options(2);
        let wires = wired(&mut options, false).await;
        let mut trial = Trial::new(site(options).await);
        let path = trial.upload(File::mixed(64, 9_000, 50_000)).await;
        for _ in 0..6 {
            trial.in_the_middle(&path).await;
            wires.broker.reset();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        trial.check().await;
    }

    /// Tiny packets, late packets: frames of AMQP come in pieces.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_wire_to_the_broker_is_slow_and_choppy() {
        let mut options = options(1);
        let wires = wired(&mut options, true).await;
        let mut trial = Trial::new(site(options).await);
        for traffic in [Traffic::Slice, Traffic::Delay(Duration::from_millis(40)), Traffic::Drip(4_000)] {
            wires.broker.set(traffic);
            trial.upload(File::mixed(65, 900, 3_000)).await;
        }
        trial.check().await;
    }

    /// F11: the broker is away. An upload is accepted all the same, and imported later.
    #[tokio::test(flavor = "multi_thread")]
    async fn uploads_are_accepted_while_the_broker_is_away() {
        let mut options = options(1);
        let wires = wired(&mut options, false).await;
        let mut trial = Trial::new(site(options).await);
        for traffic in [Traffic::Refuse, Traffic::Blackhole] {
            wires.broker.set(traffic);
            if traffic == Traffic::Refuse {
                wires.broker.reset();
            }
            trial.upload(File::mixed(66, 900, 3_000)).await;
            wires.broker.set(Traffic::Pass);
        }
        trial.check().await;
    }

    /// F12, F23, F36: queues are deleted under whoever publishes to them and consumes from them.
    /// They are declared again, and nothing sits idle.
    #[tokio::test(flavor = "multi_thread")]
    async fn queues_are_deleted_in_the_middle() {
        let mut trial = Trial::new(site(options(1)).await);
        let servers = trial.site.servers.clone().unwrap();
        let broker = Broker::connect(&servers).await;
        let path = trial.upload(File::mixed(67, 9_000, 50_000)).await;
        trial.in_the_middle(&path).await;
        for queue in ["split.v1", "batch.small.v1", "batch.v1"] {
            broker.delete(queue).await;
        }
        trial.site.ingest.as_mut().unwrap().kill();
        void_leases(&trial.site).await;
        trial.site.start_ingest().await;
        trial.upload(File::mixed(68, 900, 3_000)).await;
        wait_until("the first job makes progress again", || async {
            a_minute_later(&servers).await;
            let status = trial.site.client.get(&path).await.json();
            if status["status"] == "PROCESSING" { Err(status) } else { Ok(()) }
        })
        .await;
        trial.check().await;
    }

    /// F23: a confirmed message without a queue was thrown away. It is told from one that arrived, and
    /// the next publication finds a queue again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_without_a_queue_is_not_taken_for_published() {
        let servers = Servers::private(MUSTER).await;
        let (queue, _) = queue(servers.amqp_url.clone(), &servers);
        let broker = Broker::connect(&servers).await;
        queue.publish(QueueName::Batch, message(1)).await.unwrap();
        broker.delete("batch.v1").await;
        let error = queue.publish(QueueName::Batch, message(2)).await.unwrap_err();
        assert!(matches!(error, QueueError::Unroutable(_)), "{error}");
        queue.publish(QueueName::Batch, message(2)).await.unwrap();
        assert_eq!(broker.waiting("batch.v1").await, Some(1));
    }

    /// F13: a full queue refuses a publication; it is tried again without a busy loop.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_queue_is_waited_for() {
        let (servers, site) = breakable(0).await;
        let mut trial = Trial::new(site);
        let pattern = format!("^{}", servers.servers.prefix);
        servers.rabbitmqctl(&["set_policy", "full", &pattern, "{\"max-length\":1}", "--apply-to", "queues"]).await;
        trial.upload(File::new_users(0, 30_000)).await;
        let broker = Broker::connect(&servers.servers).await;
        wait_until("the queue is full", || async {
            let waiting = broker.waiting("batch.v1").await;
            if waiting >= Some(1) { Ok(()) } else { Err(waiting) }
        })
        .await;
        trial.site.start_worker().await;
        trial.in_the_middle("/bulk/v1/files/1").await;
        servers.rabbitmqctl(&["clear_policy", "full"]).await;
        trial.check().await;
    }

    /// F25: an alarm blocks whoever publishes. Consumers go on, uploads are accepted, and a stop
    /// comes to its end.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_alarm_blocks_publishing() {
        let (servers, site) = breakable(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(69, 9_000, 40_000)).await;
        trial.in_the_middle(&path).await;
        servers.rabbitmqctl(&["set_vm_memory_high_watermark", "0"]).await;
        trial.upload(File::mixed(70, 900, 900)).await;
        assert!(trial.site.ingest.as_mut().unwrap().terminate().await.success());
        trial.site.start_ingest().await;
        servers.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]).await;
        trial.check().await;
    }

    /// F35: checking rows for longer than two heartbeats costs no connection.
    #[tokio::test(flavor = "multi_thread")]
    async fn long_work_on_rows_does_not_stop_the_heart() {
        let mut options = options(0);
        options.of_workers = at("batch_checked=1*return(9000)");
        let mut trial = Trial::new(site(options).await);
        let servers = trial.site.servers.clone().unwrap();
        trial.site.options.of_workers.push(("MUSTER_AMQP_URL".to_owned(), format!("{}?heartbeat=2", servers.amqp_url)));
        trial.site.start_worker().await;
        let path = trial.upload(File::mixed(71, 900, 4_000)).await;
        trial.site.client.finished(&path).await;
        assert!(!trial.site.output().contains("the queue is interrupted"));
        assert_eq!(servers.number("select count(*) from attempts").await, 0);
        trial.check().await;
    }

    /// F37: the broker closes the channel, because a message was held for too long or for a fault of
    /// ours. The batches in hand are finished and found done when they come again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_closed_channel_is_replaced() {
        let (servers, site) = breakable(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(72, 9_000, 50_000)).await;
        for _ in 0..3 {
            trial.in_the_middle(&path).await;
            servers.rabbitmqctl(&["close_all_connections", "--global", "test"]).await;
        }
        trial.check().await;
    }

    /// F38: an acknowledgement of a lost connection never settles another message on the next one,
    /// where delivery tags begin at 1 again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stale_acknowledgement_settles_nothing() {
        let servers = Servers::private(MUSTER).await;
        let wire = Proxy::start(&servers.amqp_url).await;
        let (direct, _) = queue(servers.amqp_url.clone(), &servers);
        let (through, shutdown) = queue(wire.url(&servers.amqp_url), &servers);
        let mut consumer = through.consume(QueueName::Batch, 1);
        let mut next = 0;
        for round in 0..12 {
            direct.publish(QueueName::Batch, message(2 * round)).await.unwrap();
            direct.publish(QueueName::Batch, message(2 * round + 1)).await.unwrap();
            let held = consumer.next().await.unwrap();
            assert_eq!(held.envelope().message_id, next.to_string());
            // Half of them are acknowledged at the very moment of the cut.
            if round % 2 == 0 {
                wire.reset();
                let again = consumer.next().await.unwrap();
                held.ack().await;
                assert_eq!((again.envelope().message_id.clone(), again.is_redelivered()), (next.to_string(), true));
                again.ack().await;
            } else {
                tokio::join!(held.ack(), async { wire.reset() });
            }
            // The other one is there, whatever became of the first.
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

    /// F42: a queue is there with other arguments. It is named, and nothing is published past it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_queue_with_other_arguments_is_named() {
        let (servers, site) = breakable(0).await;
        let broker = Broker::connect(&servers.servers).await;
        broker.delete("split.v1").await;
        broker.declare_otherwise("split.v1").await;
        let (queue, _) = queue(servers.servers.amqp_url.clone(), &servers.servers);
        let error = queue.publish(QueueName::Split, message(1)).await.unwrap_err();
        assert!(matches!(&error, QueueError::Mismatch(name) if *name == broker.name("split.v1")), "{error}");
        broker.delete("split.v1").await;
        drop(site);
    }
}

mod long {
    use super::*;

    /// F33: the network swallows everything for longer than two heartbeats. Both sides notice by
    /// themselves, the work goes elsewhere, and the ledger keeps it from being done twice.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_wire_to_the_broker_falls_silent() {
        let mut options = options(1);
        let wires = wired(&mut options, true).await;
        let mut trial = Trial::new(site(options).await);
        trial.site.options.of_workers = Vec::new();
        let path = trial.upload(File::mixed(73, 9_000, 60_000)).await;
        trial.in_the_middle(&path).await;
        wires.broker.set(Traffic::Blackhole);
        trial.site.start_worker().await;
        trial.site.workers[0]
            .line("the silent one notices", |line| line.contains("the queue is interrupted").then_some(()))
            .await;
        wires.broker.set(Traffic::Pass);
        trial.check().await;
    }

    /// F86: a batch vanished from its queue. Nobody moves the clock: after a minute without
    /// progress the job is cut again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_vanished_batch_is_published_again() {
        let mut trial = Trial::new(site(options(0)).await);
        let path = trial.upload(File::mixed(74, 9_000, 1_500)).await;
        let broker = Broker::connect(trial.site.servers.as_ref().unwrap()).await;
        wait_until("the batch is on its queue", || async {
            let waiting = broker.waiting("batch.small.v1").await;
            if waiting > Some(0) { Ok(()) } else { Err(waiting) }
        })
        .await;
        broker.take_all("batch.small.v1").await;
        trial.site.start_worker().await;
        trial.site.client.finished(&path).await;
        trial.check().await;
    }
}
