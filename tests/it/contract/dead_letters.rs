//! Dead letters can be listed, removed and replayed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use muster_messages::Envelope;
use muster_ports::{DeadLetter, DeadLetters, Delivery, Publisher, Queue, QueueName};
use muster_rabbitmq::RabbitQueue;
use muster_testkit::wait_until;

use super::queue::rabbit_queue;

fn message(id: &str) -> Envelope {
    let headers = BTreeMap::from([("job".to_owned(), "9".to_owned()), ("batch".to_owned(), "3".to_owned())]);
    Envelope { kind: "batch".to_owned(), version: 1, message_id: id.to_owned(), headers, body: Bytes::from("body") }
}

async fn next_delivery(queue: &RabbitQueue, name: QueueName) -> Delivery {
    let mut consumer = queue.consume(name, 1);
    tokio::time::timeout(Duration::from_secs(30), consumer.next()).await.expect("no message was delivered").unwrap()
}

async fn publish_and_reject(queue: &RabbitQueue, name: QueueName, id: &str) {
    queue.publish(name, message(id)).await.unwrap();
    let mut consumer = queue.consume(name, 1);
    let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next()).await;
    delivery.expect("no message was delivered").unwrap().reject("cannot be read").await;
}

/// All dead letters. They stay on their queue.
async fn letters(queue: &dyn DeadLetters) -> Vec<DeadLetter> {
    let mut cursor = queue.open_cursor().await.unwrap().expect("there is no dead-letter queue");
    let mut found = Vec::new();
    while let Some(letter) = cursor.next().await.unwrap() {
        found.push(letter);
    }
    found
}

/// Waits until there are `count` dead letters. Those that an earlier cursor held return to the queue with a delay.
async fn wait_for_letters(queue: &dyn DeadLetters, count: usize) -> Vec<DeadLetter> {
    wait_until("the dead-letter queue has the expected length", || async {
        let found = letters(queue).await;
        if found.len() == count { Ok(found) } else { Err(found) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_kept_until_they_are_removed_or_replayed() {
    let queue = rabbit_queue().await;
    assert!(queue.open_cursor().await.unwrap().is_none(), "the queue does not exist yet");
    publish_and_reject(&queue, QueueName::BatchSmall, "1").await;
    publish_and_reject(&queue, QueueName::Batch, "2").await;

    let found = wait_for_letters(&queue, 2).await;
    assert_eq!(found[0].envelope, message("1"), "the reason and the origin are not part of the message");
    let properties = |letter: &DeadLetter| (letter.number, letter.from, letter.reason.clone(), letter.replays);
    let reason = "cannot be read".to_owned();
    assert_eq!(properties(&found[0]), (1, Some(QueueName::BatchSmall), reason.clone(), 0));
    assert_eq!(properties(&found[1]), (2, Some(QueueName::Batch), reason, 0));
    assert!(found[0].dead_ms.is_some());
    // Listing never loses a letter, although RabbitMQ 4 by default discards a message that was returned 20 times.
    for _ in 0..25 {
        wait_for_letters(&queue, 2).await;
    }

    let mut cursor = queue.open_cursor().await.unwrap().unwrap();
    let (first, second) = (cursor.next().await.unwrap().unwrap(), cursor.next().await.unwrap().unwrap());
    assert_eq!(cursor.total(), 2);
    cursor.remove(second).await.unwrap();
    cursor.replay(first, QueueName::BatchSmall).await.unwrap();
    cursor.end().await.unwrap();
    wait_for_letters(&queue, 0).await;

    let again = next_delivery(&queue, QueueName::BatchSmall).await;
    assert_eq!((again.envelope().message_id.as_str(), again.envelope().body.clone()), ("1", message("1").body));
    again.ack().await;
    publish_and_reject(&queue, QueueName::Batch, "3").await;
    assert_eq!(wait_for_letters(&queue, 1).await[0].replays, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_counts_its_replays() {
    let queue = rabbit_queue().await;
    publish_and_reject(&queue, QueueName::Batch, "1").await;
    let mut cursor = queue.open_cursor().await.unwrap().unwrap();
    let letter = cursor.next().await.unwrap().unwrap();
    cursor.replay(letter, QueueName::Batch).await.unwrap();
    cursor.end().await.unwrap();
    let mut consumer = queue.consume(QueueName::Batch, 1);
    consumer.next().await.unwrap().reject("still cannot be read").await;
    let found = wait_for_letters(&queue, 1).await;
    assert_eq!((found[0].replays, found[0].reason.as_str()), (1, "still cannot be read"));
}

/// The broker moves a message that its consumers never settle to the dead letters and records its queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_delivered_too_often_becomes_a_dead_letter_with_its_origin() {
    let queue = rabbit_queue().await;
    queue.publish(QueueName::BatchSmall, message("1")).await.unwrap();
    let found = wait_until("the broker stops redelivering the message", || async {
        let mut consumer = queue.consume(QueueName::BatchSmall, 1);
        // Dropped unsettled on each redelivery, until the limit is reached.
        drop(tokio::time::timeout(Duration::from_millis(500), consumer.next()).await);
        let found = letters(&queue).await;
        if found.len() == 1 { Ok(found) } else { Err(found) }
    })
    .await;
    assert_eq!(found[0].from, Some(QueueName::BatchSmall));
    assert!(found[0].reason.starts_with("moved by the broker"), "{}", found[0].reason);
    assert!(found[0].dead_ms.is_some());
    assert_eq!(found[0].envelope, message("1"));
}
