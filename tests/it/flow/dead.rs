//! Messages that cannot be used: they are put aside with a reason, looked at, replayed and dropped.

use std::time::Duration;

use bytes::Bytes;
use muster_messages::Envelope;
use muster_ports::{Publisher, Queue, QueueName};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_runtime::{Shutdown, Tasks};
use muster_testkit::{Backend, Program, Servers, Site, SiteOptions, wait_until};

use super::{counts, users};
use crate::MUSTER;

fn queue_of(servers: &Servers) -> RabbitQueue {
    let config = RabbitConfig {
        url: servers.amqp_url.clone().into(),
        namespace: servers.prefix.clone(),
        connection_name: "flow".to_owned(),
        publish_deadline: Duration::from_secs(30),
    };
    RabbitQueue::new(config, Tasks::new(), Shutdown::new())
}

fn muster_dead(servers: &Servers, prefix: &str, arguments: &[&str]) -> Result<String, String> {
    let variables = [("MUSTER_AMQP_URL", servers.amqp_url.as_str()), ("MUSTER_QUEUE_PREFIX", prefix)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Program::run(MUSTER, &[&["dead"], arguments].concat(), &variables)
}

fn dead(servers: &Servers, arguments: &[&str]) -> Result<String, String> {
    muster_dead(servers, &servers.prefix, arguments)
}

/// Waits until the list of dead letters is as wanted, and gives it.
async fn listed(servers: &Servers, what: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    wait_until(what, || async {
        let list = dead(servers, &["list"]).unwrap();
        if is_wanted(&list) { Ok(list) } else { Err(list) }
    })
    .await
}

/// A site without a worker, whose first job has its only batch taken off the queue.
async fn with_a_batch_in_hand() -> (Site, String, RabbitQueue, Envelope) {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let path = site.client.upload(users(["a"])).await;
    let servers = site.servers.clone().unwrap();
    let queue = queue_of(&servers);
    let mut consumer = queue.consume(QueueName::BatchSmall, 1);
    let delivery = tokio::time::timeout(Duration::from_mins(1), consumer.next()).await.expect("it comes").unwrap();
    let message = delivery.envelope().clone();
    delivery.ack().await;
    drop(consumer);
    wait_until("the split is done", || async {
        let split = servers.number("select count(*) from jobs where total_batches is not null").await;
        if split == 1 { Ok(()) } else { Err(split) }
    })
    .await;
    (site, path, queue, message)
}

/// The message as it is among the dead letters after it came from the small lane.
fn died(servers: &Servers, mut message: Envelope) -> Envelope {
    message.headers.insert("reason".to_owned(), "moved by a test".to_owned());
    message.headers.insert("from".to_owned(), format!("{}.{}", servers.prefix, QueueName::BatchSmall.as_str()));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_is_put_aside_listed_replayed_and_dropped() {
    let (mut site, path, queue, message) = with_a_batch_in_hand().await;
    let servers = site.servers.clone().unwrap();
    site.start_worker().await;
    let garbage = Envelope {
        kind: String::new(),
        version: 0,
        message_id: String::new(),
        headers: [].into(),
        body: Bytes::from_static(b"canary"),
    };
    queue.publish(QueueName::Batch, garbage).await.unwrap();
    queue.publish(QueueName::BatchSmall, Envelope { version: 99, ..message.clone() }).await.unwrap();

    // Both are refused with a reason; what belongs to a running job is given one more chance.
    let list =
        listed(&servers, "both are dead for good", |list| list.contains("replays=1") && list.lines().count() == 2)
            .await;
    assert!(list.contains("found  of version 0") && list.contains("queue=batch.v1"), "{list}");
    assert!(
        list.contains("found batch of version 99") && list.contains("\tjob=1\tbatch=1\tqueue=batch.small.v1\t"),
        "{list}"
    );
    assert!(!list.contains("canary"), "{list}");
    let other = site.tenant("other", &[]).await;
    assert_eq!(counts(&other.import(users(["b"])).await), [1, 1, 0, 0, 0], "the consumer lives");

    let error = dead(&servers, &["replay", "7:7"]).unwrap_err();
    assert!(error.contains("there is no dead letter with the message id 7:7"), "{error}");
    let error = dead(&servers, &["drop"]).unwrap_err();
    assert!(error.contains("required"), "{error}");
    let error = muster_dead(&servers, "nobody", &["list"]).unwrap_err();
    assert!(error.contains("there is no queue nobody.dead.v1"), "{error}");

    // From here on nobody else goes through the letters.
    assert!(site.ingest.as_mut().unwrap().terminate().await.success());
    queue.publish(QueueName::Dead, died(&servers, message)).await.unwrap();
    assert_eq!(dead(&servers, &["replay", "1:1"]).unwrap(), "2 dead letter(s) replayed.\n");
    assert_eq!(counts(&site.client.finished(&path).await), [1, 1, 0, 0, 0]);

    listed(&servers, "the newer version is dead again", |list| list.contains("replays=2")).await;
    assert_eq!(dead(&servers, &["drop", "--number", "1"]).unwrap(), "1 dead letter(s) dropped.\n");
    assert_eq!(dead(&servers, &["drop", "--all"]).unwrap(), "1 dead letter(s) dropped.\n");
    assert_eq!(dead(&servers, &["list"]).unwrap(), "There are no dead letters.\n");
    assert_eq!(dead(&servers, &["replay", "--all"]).unwrap(), "There are no dead letters.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_batch_of_a_running_job_is_replayed_by_itself() {
    let (mut site, path, queue, message) = with_a_batch_in_hand().await;
    let servers = site.servers.clone().unwrap();
    site.start_worker().await;
    queue.publish(QueueName::Dead, died(&servers, message.clone())).await.unwrap();
    assert_eq!(counts(&site.client.finished(&path).await), [1, 1, 0, 0, 0]);
    assert_eq!(servers.number("select sum(stalls)::bigint from jobs").await, 0, "the file was not cut again");

    // Nobody needs it any more.
    queue.publish(QueueName::Dead, died(&servers, message)).await.unwrap();
    listed(&servers, "the letter is removed", |list| list == "There are no dead letters.\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_message_cannot_be_read_is_cut_again() {
    let (mut site, path, queue, message) = with_a_batch_in_hand().await;
    let servers = site.servers.clone().unwrap();
    site.start_worker().await;
    queue.publish(QueueName::BatchSmall, Envelope { version: 99, ..message }).await.unwrap();
    listed(&servers, "the message is dead", |list| list.contains("version 99")).await;
    assert_eq!(site.client.get(&path).await.json()["status"], "PROCESSING");
    // Its patience of a minute.
    servers.execute("update jobs set split_at = now() - interval '61 seconds'").await;
    assert_eq!(counts(&site.client.finished(&path).await), [1, 1, 0, 0, 0]);
    assert_eq!(servers.number("select sum(stalls)::bigint from jobs").await, 1);
    listed(&servers, "the letter is removed", |list| list == "There are no dead letters.\n").await;
}
