//! Reads, removes and replays dead letters.
//!
//! Each cursor has its own connection. When it closes, letters that were received and not acknowledged return to their
//! position in the queue. The queue's delivery limit is so high that reading never removes a letter (see
//! `topology.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel, Connection};
use muster_messages::Envelope;
use muster_ports::{DeadLetter, DeadLetterCursor, QueueError, QueueName};

use crate::config::RabbitConfig;
use crate::publish::RabbitPublisher;
use crate::{connection, convert, headers};

/// Opens a cursor over the dead letters. Returns `None` if the dead-letter queue does not exist.
pub(crate) async fn open_cursor(
    config: &RabbitConfig,
    publisher: &Arc<RabbitPublisher>,
) -> Result<Option<Box<dyn DeadLetterCursor>>, QueueError> {
    let connection = connection::connect(config, "dead letters").await?;
    let channel = connection::open_channel(&connection).await?;
    let mut cursor = Cursor {
        channel,
        _connection: connection,
        config: config.clone(),
        publisher: publisher.clone(),
        received: 0,
        total: 0,
        unsettled: HashMap::new(),
        first: None,
    };
    match cursor.receive().await {
        Ok(first) => {
            cursor.first = first;
            Ok(Some(Box::new(cursor)))
        }
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Cursor {
    channel: Channel,
    /// Closes when it is dropped.
    _connection: Connection,
    config: RabbitConfig,
    publisher: Arc<RabbitPublisher>,
    received: u64,
    /// Letters in the queue when the first one was received.
    total: u64,
    /// How to acknowledge the letters that were returned to the caller, by their number.
    unsettled: HashMap<u64, Acker>,
    /// The letter that was received to find out whether the queue exists.
    first: Option<DeadLetter>,
}

impl Cursor {
    async fn receive(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        let name = self.config.queue_name(QueueName::Dead);
        let getting = self.channel.basic_get(name.as_str().into(), BasicGetOptions::default());
        let Some(message) = connection::with_deadline(getting).await? else { return Ok(None) };
        self.received += 1;
        if self.received == 1 {
            self.total = u64::from(message.message_count) + 1;
        }
        self.unsettled.insert(self.received, message.delivery.acker);
        let envelope = convert::envelope(&message.delivery.properties, message.delivery.data);
        let death = message.delivery.properties.headers().as_ref().and_then(BrokerDeath::read);
        Ok(Some(letter(&self.config, self.received, envelope, death)))
    }
}

#[async_trait]
impl DeadLetterCursor for Cursor {
    fn total(&self) -> u64 {
        self.total
    }

    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.receive().await,
        }
    }

    async fn remove(&mut self, letter: DeadLetter) -> Result<(), QueueError> {
        let Some(acker) = self.unsettled.remove(&letter.number) else { return Ok(()) };
        connection::with_deadline(acker.ack(BasicAckOptions::default())).await.map(drop)
    }

    async fn replay(&mut self, letter: DeadLetter, queue: QueueName) -> Result<(), QueueError> {
        let mut message = letter.envelope.clone();
        message.headers.insert(headers::REPLAYS.to_owned(), (letter.replays + 1).to_string());
        self.publisher.publish(queue, message).await?;
        self.remove(letter).await
    }

    async fn end(self: Box<Self>) -> Result<(), QueueError> {
        // The broker confirms the close after it has processed everything that was sent before.
        connection::with_deadline(self.channel.close(200, "done".into())).await
    }
}

/// What the broker recorded when it dead-lettered a message itself.
struct BrokerDeath {
    queue: String,
    reason: String,
    dead_ms: Option<i64>,
}

impl BrokerDeath {
    fn read(fields: &FieldTable) -> Option<Self> {
        let AMQPValue::FieldArray(deaths) = fields.inner().get(headers::X_DEATH)? else { return None };
        // The newest is first.
        let AMQPValue::FieldTable(death) = deaths.as_slice().first()? else { return None };
        let text = |name: &str| match death.inner().get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            _ => String::new(),
        };
        let dead_ms = match death.inner().get("time") {
            Some(AMQPValue::Timestamp(seconds)) => i64::try_from(*seconds).ok().and_then(|s| s.checked_mul(1000)),
            _ => None,
        };
        Some(Self { queue: text("queue"), reason: text("reason"), dead_ms })
    }
}

/// Moves the headers that were added when the message was dead-lettered into fields of the letter. A message without
/// Muster's own `reason` header was dead-lettered by the broker.
fn letter(config: &RabbitConfig, number: u64, mut envelope: Envelope, death: Option<BrokerDeath>) -> DeadLetter {
    let reason = envelope.headers.remove(headers::REASON);
    let from = envelope.headers.remove(headers::FROM);
    let dead_ms = envelope.headers.remove(headers::DEAD_MS);
    let replays = envelope.headers.remove(headers::REPLAYS).and_then(|text| text.parse().ok()).unwrap_or(0);
    envelope.headers.retain(|name, _| !name.starts_with("x-"));
    let queue = |name: &str| QueueName::ALL.into_iter().find(|queue| config.queue_name(*queue) == name);
    match (reason, death) {
        (Some(reason), _) => {
            let from = from.and_then(|from| queue(&from));
            DeadLetter { envelope, number, from, reason, dead_ms: dead_ms.and_then(|ms| ms.parse().ok()), replays }
        }
        (None, Some(death)) => {
            let reason = format!("moved by the broker: {}", death.reason);
            DeadLetter { envelope, number, from: queue(&death.queue), reason, dead_ms: death.dead_ms, replays }
        }
        (None, None) => {
            DeadLetter { envelope, number, from: None, reason: "unknown".to_owned(), dead_ms: None, replays }
        }
    }
}

fn is_not_found(error: &QueueError) -> bool {
    matches!(error, QueueError::Unavailable(Some(source)) if source.to_string().contains("NOT_FOUND"))
}
