//! Takes messages from a queue, across restarts of the broker.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use muster_messages::Envelope;
use muster_ports::{Delivery, QueueError, QueueName, Settle};
use muster_runtime::Backoff;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::RabbitConfig;
use crate::publish::RabbitPublisher;
use crate::{connection, convert, dead, topology};

/// Consumes until the receiver is gone.
pub(crate) async fn run(
    config: RabbitConfig,
    queue: QueueName,
    prefetch: u16,
    publisher: Arc<RabbitPublisher>,
    sender: mpsc::Sender<Delivery>,
) {
    let mut backoff = Backoff::reconnect();
    let mut reported = false;
    loop {
        let generation = Generation { config: &config, queue, prefetch, publisher: &publisher, sender: &sender };
        let error = tokio::select! {
            result = generation.run(&mut backoff, &mut reported) => match result {
                Ok(()) => return,
                Err(error) => error,
            },
            () = sender.closed() => return,
        };
        if !reported {
            tracing::warn!(queue = queue.as_str(), error = %chain(&error), "the queue is interrupted; reconnecting until it is back");
            reported = true;
        }
        tokio::select! {
            () = backoff.wait() => {}
            () = sender.closed() => return,
        }
    }
}

/// The whole chain of an error. AMQP errors name queues and hosts, never message content.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// One connection with one channel and one consumer.
struct Generation<'a> {
    config: &'a RabbitConfig,
    queue: QueueName,
    prefetch: u16,
    publisher: &'a Arc<RabbitPublisher>,
    sender: &'a mpsc::Sender<Delivery>,
}

impl Generation<'_> {
    /// Ends without an error only when the receiver is gone.
    async fn run(&self, backoff: &mut Backoff, reported: &mut bool) -> Result<(), QueueError> {
        let connection = connection::connect(self.config, self.queue.as_str()).await?;
        let channel = connection::channel(&connection).await?;
        topology::declare(&channel, self.config).await?;
        connection::answer(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
        let name = self.config.queue(self.queue);
        let consume = channel.basic_consume(
            name.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut consumer = connection::answer(consume).await?;
        backoff.reset();
        if std::mem::take(reported) {
            tracing::info!(queue = self.queue.as_str(), "the queue is back");
        }
        // lapin leaves a message that is dropped unsettled to the broker's ack timeout; ending the
        // generation gives it back at once. Otherwise, an end without an error means that the broker cancelled the consumer, for example because
        // the queue was deleted.
        let unsettled = CancellationToken::new();
        while let Some(delivery) = tokio::select! {
            delivery = consumer.next() => delivery,
            () = unsettled.cancelled() => None,
        } {
            let delivery = delivery.map_err(|error| QueueError::Unavailable(Some(Box::new(error))))?;
            let settle = Box::new(RabbitSettle {
                acker: Some(delivery.acker),
                queue: name.clone(),
                publisher: self.publisher.clone(),
                unsettled: unsettled.clone(),
            });
            let envelope = convert::envelope(&delivery.properties, delivery.data);
            if self.sender.send(Delivery::new(envelope, delivery.redelivered, settle)).await.is_err() {
                return Ok(());
            }
        }
        Err(QueueError::Unavailable(None))
    }
}

struct RabbitSettle {
    /// Taken when the message is acknowledged.
    acker: Option<Acker>,
    queue: String,
    publisher: Arc<RabbitPublisher>,
    /// Ends the generation.
    unsettled: CancellationToken,
}

impl Drop for RabbitSettle {
    fn drop(&mut self) {
        if self.acker.is_some() {
            self.unsettled.cancel();
        }
    }
}

#[async_trait]
impl Settle for RabbitSettle {
    async fn ack(mut self: Box<Self>) {
        let Some(acker) = self.acker.take() else { return };
        // `false`: the acker is of an earlier generation, and the broker delivers the message again.
        if !matches!(connection::answer(acker.ack(BasicAckOptions::default())).await, Ok(true)) {
            tracing::debug!("a message could not be acknowledged; it will come again");
        }
    }

    async fn reject(self: Box<Self>, mut envelope: Envelope, reason: &str) {
        envelope.headers.insert(dead::REASON.to_owned(), reason.to_owned());
        envelope.headers.insert(dead::FROM.to_owned(), self.queue.clone());
        envelope.headers.extend(now_ms().map(|now| (dead::DEAD_MS.to_owned(), now)));
        match self.publisher.publish(QueueName::Dead, envelope).await {
            Ok(()) => self.ack().await,
            Err(error) => tracing::warn!(%error, "a message could not be dead-lettered; it will come again"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "shown to whoever looks at dead letters, never compared")]
fn now_ms() -> Option<String> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|now| now.as_millis().to_string())
}
