//! A queue delivers each confirmed message until it is acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use muster_memory::MemoryQueue;
use muster_messages::Envelope;
use muster_ports::{Consumer, Delivery, Queue, QueueName};
use muster_rabbitmq::{RabbitConfig, RabbitQueue};
use muster_runtime::{Shutdown, Tasks};
use muster_testkit::Servers;

use crate::MUSTER;

fn message(id: &str) -> Envelope {
    Envelope {
        kind: "test".to_owned(),
        version: 1,
        message_id: id.to_owned(),
        headers: BTreeMap::from([("job".to_owned(), "9".to_owned())]),
        body: Bytes::from(format!("body of {id}")),
    }
}

async fn next_delivery(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(Duration::from_secs(30), consumer.next())
        .await
        .expect("no message was delivered")
        .expect("the queue is closed")
}

async fn suite(queue: &dyn Queue) {
    for id in ["1", "2", "3"] {
        queue.publish(QueueName::Batch, message(id)).await.unwrap();
    }
    let mut consumer = queue.consume(QueueName::Batch, 2);
    let first = next_delivery(&mut consumer).await;
    assert_eq!((first.envelope(), first.is_redelivered()), (&message("1"), false));
    let second = next_delivery(&mut consumer).await;
    assert_eq!(second.envelope(), &message("2"));
    let third = tokio::time::timeout(Duration::from_millis(300), consumer.next()).await;
    assert!(third.is_err(), "the prefetch of two is a limit");
    first.ack().await;
    let third = next_delivery(&mut consumer).await;
    assert_eq!(third.envelope(), &message("3"));
    third.reject("cannot be read").await;

    // An unsettled message is redelivered once its consumer is gone.
    drop(second);
    drop(consumer);
    let mut consumer = queue.consume(QueueName::Batch, 2);
    let again = next_delivery(&mut consumer).await;
    assert_eq!((again.envelope(), again.is_redelivered()), (&message("2"), true));
    again.ack().await;

    let mut dead = queue.consume(QueueName::Dead, 1);
    let letter = next_delivery(&mut dead).await;
    assert_eq!(letter.envelope().message_id, "3");
    assert_eq!(letter.envelope().headers["reason"], "cannot be read");
    assert_eq!(letter.envelope().body, message("3").body);
    letter.ack().await;
    queue.check_ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    suite(&MemoryQueue::new(Tasks::new(), Shutdown::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rabbitmq() {
    suite(&rabbit_queue().await).await;
}

/// A RabbitMQ queue with names of its own.
pub(super) async fn rabbit_queue() -> RabbitQueue {
    let servers = Servers::create(MUSTER).await;
    let config = RabbitConfig {
        url: servers.amqp_url.into(),
        namespace: servers.prefix,
        connection_name: "contract suite".to_owned(),
        publish_deadline: Duration::from_secs(30),
    };
    RabbitQueue::new(config, Tasks::new(), Shutdown::new())
}
