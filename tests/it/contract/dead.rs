//! Dead letters can be looked at, removed and replayed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use muster_messages::Envelope;
use muster_ports::{DeadLetter, DeadLetters, Delivery, Publisher, Queue, QueueName};
use muster_rabbitmq::RabbitQueue;
use muster_testkit::wait_until;

use super::queue::on_rabbitmq;

fn message(id: &str) -> Envelope {
    let headers = BTreeMap::from([("job".to_owned(), "9".to_owned()), ("batch".to_owned(), "3".to_owned())]);
    Envelope { kind: "batch".to_owned(), version: 1, message_id: id.to_owned(), headers, body: Bytes::from("body") }
}

async fn deliver(queue: &RabbitQueue, name: QueueName) -> Delivery {
    let mut consumer = queue.consume(name, 1);
    tokio::time::timeout(Duration::from_secs(30), consumer.next()).await.expect("a message comes").unwrap()
}

async fn reject(queue: &RabbitQueue, name: QueueName, id: &str) {
    queue.publish(name, message(id)).await.unwrap();
    let mut consumer = queue.consume(name, 1);
    let delivery = tokio::time::timeout(Duration::from_secs(30), consumer.next()).await.expect("it comes").unwrap();
    delivery.reject("cannot be read").await;
}

/// All letters, which stay where they are.
async fn letters(queue: &dyn DeadLetters) -> Vec<DeadLetter> {
    let mut walk = queue.walk().await.unwrap().expect("there is a queue");
    let mut found = Vec::new();
    while let Some(letter) = walk.next().await.unwrap() {
        found.push(letter);
    }
    found
}

/// Waits until so many letters are there: those that another walk had in hand are back soon, not at once.
async fn so_many(queue: &dyn DeadLetters, count: usize) -> Vec<DeadLetter> {
    wait_until("the letters are there", || async {
        let found = letters(queue).await;
        if found.len() == count { Ok(found) } else { Err(found) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_stay_until_they_are_removed_or_replayed() {
    let queue = on_rabbitmq().await;
    assert!(queue.walk().await.unwrap().is_none(), "no queue yet");
    reject(&queue, QueueName::BatchSmall, "1").await;
    reject(&queue, QueueName::Batch, "2").await;

    let found = so_many(&queue, 2).await;
    assert_eq!(found[0].envelope, message("1"), "nothing of its death is in the message");
    let facts = |letter: &DeadLetter| (letter.number, letter.from, letter.reason.clone(), letter.replays);
    let reason = "cannot be read".to_owned();
    assert_eq!(facts(&found[0]), (1, Some(QueueName::BatchSmall), reason.clone(), 0));
    assert_eq!(facts(&found[1]), (2, Some(QueueName::Batch), reason, 0));
    assert!(found[0].dead_ms.is_some());
    // However often one looks: RabbitMQ 4 throws a message away after 20 returns, if not told otherwise.
    for _ in 0..25 {
        so_many(&queue, 2).await;
    }

    let mut walk = queue.walk().await.unwrap().unwrap();
    let (first, second) = (walk.next().await.unwrap().unwrap(), walk.next().await.unwrap().unwrap());
    assert_eq!(walk.total(), 2);
    walk.remove(second).await.unwrap();
    walk.replay(first, QueueName::BatchSmall).await.unwrap();
    walk.end().await.unwrap();
    so_many(&queue, 0).await;

    let again = deliver(&queue, QueueName::BatchSmall).await;
    assert_eq!((again.envelope().message_id.as_str(), again.envelope().body.clone()), ("1", message("1").body));
    again.ack().await;
    reject(&queue, QueueName::Batch, "3").await;
    assert_eq!(so_many(&queue, 1).await[0].replays, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_remembers_that_it_was_replayed() {
    let queue = on_rabbitmq().await;
    reject(&queue, QueueName::Batch, "1").await;
    let mut walk = queue.walk().await.unwrap().unwrap();
    let letter = walk.next().await.unwrap().unwrap();
    walk.replay(letter, QueueName::Batch).await.unwrap();
    walk.end().await.unwrap();
    let mut consumer = queue.consume(QueueName::Batch, 1);
    consumer.next().await.unwrap().reject("still cannot be read").await;
    let found = so_many(&queue, 1).await;
    assert_eq!((found[0].replays, found[0].reason.as_str()), (1, "still cannot be read"));
}

/// A message that its consumers never settle is moved by the broker, which notes where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_delivered_too_often_tells_where_it_came_from() {
    let queue = on_rabbitmq().await;
    queue.publish(QueueName::BatchSmall, message("1")).await.unwrap();
    let found = wait_until("the broker gives the message up", || async {
        let mut consumer = queue.consume(QueueName::BatchSmall, 1);
        // Dropped unsettled, again and again, until it does not come any more.
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
