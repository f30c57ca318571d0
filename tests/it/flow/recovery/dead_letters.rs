//! Messages that cannot be processed become dead letters, which can be listed, replayed and dropped.

use std::time::Duration;

use bytes::Bytes;
use muster_messages::Envelope;
use muster_ports::{Publisher, Queue, QueueName};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_runtime::{Shutdown, Tasks};
use muster_testkit::{Backend, Program, Servers, Site, SiteOptions, wait_until};

use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::users;

fn rabbit_queue(servers: &Servers) -> RabbitQueue {
    let config = RabbitConfig {
        url: servers.amqp_url.clone().into(),
        namespace: servers.prefix.clone(),
        connection_name: "flow".to_owned(),
        publish_deadline: Duration::from_secs(30),
    };
    RabbitQueue::new(config, Tasks::new(), Shutdown::new())
}

/// Runs `muster dead` for the queues with this prefix.
fn muster_dead_with_prefix(servers: &Servers, prefix: &str, arguments: &[&str]) -> Result<String, String> {
    let variables = [("MUSTER_AMQP_URL", servers.amqp_url.as_str()), ("MUSTER_QUEUE_PREFIX", prefix)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Program::run(MUSTER, &[&["dead"], arguments].concat(), &variables)
}

fn muster_dead(servers: &Servers, arguments: &[&str]) -> Result<String, String> {
    muster_dead_with_prefix(servers, &servers.prefix, arguments)
}

/// Waits until the list of dead letters is as expected, and returns it.
async fn wait_for_list(servers: &Servers, what: &str, is_expected: impl Fn(&str) -> bool) -> String {
    wait_until(what, || async {
        let list = muster_dead(servers, &["list"]).unwrap();
        if is_expected(&list) { Ok(list) } else { Err(list) }
    })
    .await
}

/// Starts a site without a worker, uploads a file with one batch, and takes that batch off its queue.
async fn take_batch_of_upload() -> (Site, String, RabbitQueue, Envelope) {
    let site = Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let path = site.client.upload(users(["a"])).await;
    let servers = site.servers.clone().unwrap();
    let queue = rabbit_queue(&servers);
    let mut consumer = queue.consume(QueueName::BatchSmall, 1);
    let delivery = tokio::time::timeout(Duration::from_mins(1), consumer.next()).await;
    let delivery = delivery.expect("the batch was not delivered").unwrap();
    let message = delivery.envelope().clone();
    delivery.ack().await;
    drop(consumer);
    wait_until("the split is complete", || async {
        let split = servers.number("select count(*) from jobs where total_batches is not null").await;
        if split == 1 { Ok(()) } else { Err(split) }
    })
    .await;
    (site, path, queue, message)
}

/// The dead letter that this message becomes when the broker moves it there from the small lane.
fn dead_letter(servers: &Servers, mut message: Envelope) -> Envelope {
    message.headers.insert("reason".to_owned(), "moved by a test".to_owned());
    message.headers.insert("from".to_owned(), format!("{}.{}", servers.prefix, QueueName::BatchSmall.as_str()));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_messages_become_dead_letters_that_can_be_listed_replayed_and_dropped() {
    let (mut site, path, queue, message) = take_batch_of_upload().await;
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

    // Both are rejected with a reason. The one that belongs to a running job is replayed once.
    let is_complete = |list: &str| list.contains("replays=1") && list.lines().count() == 2;
    let list = wait_for_list(&servers, "both messages are dead letters after the replay", is_complete).await;
    assert!(list.contains("found  of version 0") && list.contains("queue=batch.v1"), "{list}");
    assert!(
        list.contains("found batch of version 99") && list.contains("\tjob=1\tbatch=1\tqueue=batch.small.v1\t"),
        "{list}"
    );
    assert!(!list.contains("canary"), "{list}");
    let other = site.tenant("other", &[]).await;
    assert_eq!(other.import(users(["b"])).await.counts(), created(1), "the worker still consumes");

    let error = muster_dead(&servers, &["replay", "7:7"]).unwrap_err();
    assert!(error.contains("there is no dead letter with the message id 7:7"), "{error}");
    let error = muster_dead(&servers, &["drop"]).unwrap_err();
    assert!(error.contains("required"), "{error}");
    let error = muster_dead_with_prefix(&servers, "nobody", &["list"]).unwrap_err();
    assert!(error.contains("there is no queue nobody.dead.v1"), "{error}");

    // The ingest service processes dead letters too; from here on only this test does.
    assert!(site.ingest.as_mut().unwrap().terminate().await.success());
    queue.publish(QueueName::Dead, dead_letter(&servers, message)).await.unwrap();
    assert_eq!(muster_dead(&servers, &["replay", "1:1"]).unwrap(), "2 dead letter(s) replayed.\n");
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(1));

    wait_for_list(&servers, "the message of a newer version is a dead letter again", |list| list.contains("replays=2"))
        .await;
    assert_eq!(muster_dead(&servers, &["drop", "--number", "1"]).unwrap(), "1 dead letter(s) dropped.\n");
    assert_eq!(muster_dead(&servers, &["drop", "--all"]).unwrap(), "1 dead letter(s) dropped.\n");
    assert_eq!(muster_dead(&servers, &["list"]).unwrap(), "There are no dead letters.\n");
    assert_eq!(muster_dead(&servers, &["replay", "--all"]).unwrap(), "There are no dead letters.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_batch_of_a_running_job_is_replayed_automatically() {
    let (mut site, path, queue, message) = take_batch_of_upload().await;
    let servers = site.servers.clone().unwrap();
    site.start_worker().await;
    queue.publish(QueueName::Dead, dead_letter(&servers, message.clone())).await.unwrap();
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(1));
    assert_eq!(servers.number("select sum(stalls)::bigint from jobs").await, 0, "the split was not restarted");

    // The job is final, so that its batch is no longer needed.
    queue.publish(QueueName::Dead, dead_letter(&servers, message)).await.unwrap();
    wait_for_list(&servers, "the letter is removed", |list| list == "There are no dead letters.\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_message_is_unreadable_is_published_again() {
    let (mut site, path, queue, message) = take_batch_of_upload().await;
    let servers = site.servers.clone().unwrap();
    site.start_worker().await;
    queue.publish(QueueName::BatchSmall, Envelope { version: 99, ..message }).await.unwrap();
    wait_for_list(&servers, "the message is a dead letter", |list| list.contains("version 99")).await;
    assert_eq!(site.client.get(&path).await.json()["status"], "PROCESSING");
    // The stall timeout is a minute; the test does not wait for it.
    servers.execute("update jobs set split_at = now() - interval '61 seconds'").await;
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(1));
    assert_eq!(servers.number("select sum(stalls)::bigint from jobs").await, 1);
    wait_for_list(&servers, "the letter is removed", |list| list == "There are no dead letters.\n").await;
}
