//! Consumes a queue and survives restarts of the broker.

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
use crate::{connection, convert, headers, topology};

/// Consumes until the receiver is dropped. Reconnects after every error.
pub(crate) async fn run(
    config: RabbitConfig,
    queue: QueueName,
    prefetch: u16,
    publisher: Arc<RabbitPublisher>,
    sender: mpsc::Sender<Delivery>,
) {
    let mut backoff = Backoff::reconnect();
    let mut outage_logged = false;
    loop {
        let generation = Generation { config: &config, queue, prefetch, publisher: &publisher, sender: &sender };
        let error = tokio::select! {
            result = generation.run(&mut backoff, &mut outage_logged) => match result {
                Ok(()) => return,
                Err(error) => error,
            },
            () = sender.closed() => return,
        };
        if !outage_logged {
            tracing::warn!(queue = queue.as_str(), error = %chain(&error), "lost the queue; reconnecting");
            outage_logged = true;
        }
        tokio::select! {
            () = backoff.wait() => {}
            () = sender.closed() => return,
        }
    }
}

/// The error followed by all its sources. AMQP errors name queues and hosts, never message content.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// One connection with one channel and one consumer. After an error a new generation replaces it.
struct Generation<'a> {
    config: &'a RabbitConfig,
    queue: QueueName,
    prefetch: u16,
    publisher: &'a Arc<RabbitPublisher>,
    sender: &'a mpsc::Sender<Delivery>,
}

impl Generation<'_> {
    /// Returns without an error only if the receiver was dropped.
    async fn run(&self, backoff: &mut Backoff, outage_logged: &mut bool) -> Result<(), QueueError> {
        let connection = connection::connect(self.config, self.queue.as_str()).await?;
        let channel = connection::open_channel(&connection).await?;
        topology::declare(&channel, self.config).await?;
        connection::with_deadline(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
        let name = self.config.queue_name(self.queue);
        let consume = channel.basic_consume(
            name.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut consumer = connection::with_deadline(consume).await?;
        backoff.reset();
        if std::mem::take(outage_logged) {
            tracing::info!(queue = self.queue.as_str(), "reconnected to the queue");
        }
        // lapin does not return a message whose acker is dropped: the broker would keep it assigned to this consumer
        // until its acknowledgement timeout. Ending the generation returns the message at once.
        let dropped_unsettled = CancellationToken::new();
        while let Some(delivery) = tokio::select! {
            delivery = consumer.next() => delivery,
            () = dropped_unsettled.cancelled() => None,
        } {
            let delivery = delivery.map_err(|error| QueueError::Unavailable(Some(Box::new(error))))?;
            let settle = Box::new(RabbitSettle {
                acker: Some(delivery.acker),
                queue: name.clone(),
                publisher: self.publisher.clone(),
                dropped_unsettled: dropped_unsettled.clone(),
            });
            let envelope = convert::envelope(&delivery.properties, delivery.data);
            if self.sender.send(Delivery::new(envelope, delivery.redelivered, settle)).await.is_err() {
                return Ok(());
            }
        }
        // Either a message was dropped unsettled, or the broker canceled the consumer, for example because the queue
        // was deleted.
        Err(QueueError::Unavailable(None))
    }
}

struct RabbitSettle {
    /// `None` once the message has been acknowledged.
    acker: Option<Acker>,
    queue: String,
    publisher: Arc<RabbitPublisher>,
    /// Ends the generation.
    dropped_unsettled: CancellationToken,
}

impl Drop for RabbitSettle {
    fn drop(&mut self) {
        if self.acker.is_some() {
            self.dropped_unsettled.cancel();
        }
    }
}

#[async_trait]
impl Settle for RabbitSettle {
    async fn ack(mut self: Box<Self>) {
        let Some(acker) = self.acker.take() else { return };
        // `Ok(false)`: the acker belongs to an earlier generation, and the broker redelivers the message.
        if !matches!(connection::with_deadline(acker.ack(BasicAckOptions::default())).await, Ok(true)) {
            tracing::debug!("could not acknowledge a message; it will be redelivered");
        }
    }

    async fn reject(self: Box<Self>, mut envelope: Envelope, reason: &str) {
        envelope.headers.insert(headers::REASON.to_owned(), reason.to_owned());
        envelope.headers.insert(headers::FROM.to_owned(), self.queue.clone());
        envelope.headers.extend(now_ms().map(|now| (headers::DEAD_MS.to_owned(), now)));
        match self.publisher.publish(QueueName::Dead, envelope).await {
            Ok(()) => self.ack().await,
            Err(error) => tracing::warn!(%error, "could not dead-letter a message; it will be redelivered"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "shown to people who inspect dead letters, never compared")]
fn now_ms() -> Option<String> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|now| now.as_millis().to_string())
}
