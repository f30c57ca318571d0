//! Walks over the dead letters.
//!
//! A walk is a connection of its own: letters that it got and did not acknowledge go back to their
//! place when it is closed. The declared delivery limit of their queue is so high that looking at
//! them never removes any (see `topology.rs`).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel, Connection};
use muster_messages::Envelope;
use muster_ports::{DeadLetter, DeadLetters, Letters, QueueError, QueueName};

use crate::config::RabbitConfig;
use crate::publish::RabbitPublisher;
use crate::queue::RabbitQueue;
use crate::{connection, convert};

/// What is noted in a message that dies by our own hand.
pub(crate) const REASON: &str = "reason";
pub(crate) const FROM: &str = "from";
pub(crate) const DEAD_MS: &str = "dead_ms";
/// How often a letter was replayed. It stays with the message.
const REPLAYS: &str = "replays";
/// Where the broker notes what it did: <https://www.rabbitmq.com/docs/dlx#effects>.
const X_DEATH: &str = "x-death";

#[async_trait]
impl DeadLetters for RabbitQueue {
    async fn walk(&self) -> Result<Option<Box<dyn Letters>>, QueueError> {
        let connection = connection::connect(self.config(), "dead letters").await?;
        let channel = connection::channel(&connection).await?;
        let mut walk = Walk {
            channel,
            _connection: connection,
            config: self.config().clone(),
            publisher: self.publisher().clone(),
            seen: 0,
            in_hand: HashMap::new(),
            total: 0,
            first: None,
        };
        match walk.get().await {
            Ok(first) => {
                walk.first = first;
                Ok(Some(Box::new(walk)))
            }
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

struct Walk {
    channel: Channel,
    /// Closed when it is dropped.
    _connection: Connection,
    config: RabbitConfig,
    publisher: Arc<RabbitPublisher>,
    seen: u64,
    total: u64,
    /// How to acknowledge the letters that were given out.
    in_hand: HashMap<u64, Acker>,
    /// What was got to see whether there is a queue.
    first: Option<DeadLetter>,
}

impl Walk {
    async fn get(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        let name = self.config.queue(QueueName::Dead);
        let getting = self.channel.basic_get(name.as_str().into(), BasicGetOptions::default());
        let Some(message) = connection::answer(getting).await? else { return Ok(None) };
        self.seen += 1;
        if self.seen == 1 {
            self.total = u64::from(message.message_count) + 1;
        }
        self.in_hand.insert(self.seen, message.delivery.acker);
        let envelope = convert::envelope(&message.delivery.properties, message.delivery.data);
        let death = message.delivery.properties.headers().as_ref().and_then(Death::read);
        Ok(Some(letter(&self.config, self.seen, envelope, death)))
    }
}

#[async_trait]
impl Letters for Walk {
    fn total(&self) -> u64 {
        self.total
    }

    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.get().await,
        }
    }

    async fn remove(&mut self, letter: DeadLetter) -> Result<(), QueueError> {
        let Some(acker) = self.in_hand.remove(&letter.number) else { return Ok(()) };
        connection::answer(acker.ack(BasicAckOptions::default())).await.map(drop)
    }

    async fn replay(&mut self, letter: DeadLetter, queue: QueueName) -> Result<(), QueueError> {
        let mut message = letter.envelope.clone();
        message.headers.insert(REPLAYS.to_owned(), (letter.replays + 1).to_string());
        self.publisher.publish(queue, message).await?;
        self.remove(letter).await
    }

    async fn end(self: Box<Self>) -> Result<(), QueueError> {
        // Answered behind everything that was sent before it.
        connection::answer(self.channel.close(200, "done".into())).await
    }
}

/// What the broker noted when it moved a message here by itself.
struct Death {
    queue: String,
    reason: String,
    dead_ms: Option<i64>,
}

impl Death {
    fn read(headers: &FieldTable) -> Option<Self> {
        let AMQPValue::FieldArray(deaths) = headers.inner().get(X_DEATH)? else { return None };
        // The newest comes first.
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

/// Takes what was noted at a message's death out of it. A message without our note was moved by the
/// broker.
fn letter(config: &RabbitConfig, number: u64, mut envelope: Envelope, death: Option<Death>) -> DeadLetter {
    let (reason, from, dead_ms) =
        (envelope.headers.remove(REASON), envelope.headers.remove(FROM), envelope.headers.remove(DEAD_MS));
    let replays = envelope.headers.remove(REPLAYS).and_then(|text| text.parse().ok()).unwrap_or(0);
    envelope.headers.retain(|name, _| !name.starts_with("x-"));
    let queue = |full: &str| QueueName::ALL.into_iter().find(|queue| config.queue(*queue) == full);
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
