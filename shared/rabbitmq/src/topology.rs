//! Declares the queues.
//!
//! <https://www.rabbitmq.com/docs/quorum-queues>: a quorum queue keeps a confirmed message as long as
//! a majority of its members is not lost for good. The delivery limit has no default before 4.0 and
//! is 20 after it; dead-lettering is at most once unless asked otherwise, and asking otherwise needs
//! `overflow=reject-publish`.

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use muster_ports::{QueueError, QueueName};

use crate::config::RabbitConfig;
use crate::connection::answer;

/// How often the broker delivers a message before it moves it to the dead letters. Workers give a
/// batch up after five tries of their own; this is for messages that kill them earlier.
const DELIVERY_LIMIT: i32 = 20;
/// The same for dead letters, each of which is given back whenever somebody looks at them. From 4.0 on
/// the broker would throw them away after 20 looks.
const LOOKS_LIMIT: i32 = 1_000_000_000;
/// How long dead letters are kept: they hold data about people.
const DEAD_TTL_MS: i64 = 7 * 24 * 3600 * 1000;

/// Declares every queue. The channel is unusable after an error.
pub(crate) async fn declare(channel: &Channel, config: &RabbitConfig) -> Result<(), QueueError> {
    for queue in QueueName::ALL {
        let name = config.queue(queue);
        let declared =
            channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments(queue, config));
        answer(declared).await.map_err(|error| explain(error, name))?;
    }
    Ok(())
}

fn arguments(queue: QueueName, config: &RabbitConfig) -> FieldTable {
    let mut arguments = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    if queue == QueueName::Dead {
        arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(DEAD_TTL_MS));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(LOOKS_LIMIT));
    } else {
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(&config.queue(QueueName::Dead)));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    }
    arguments
}

/// 406 PRECONDITION_FAILED: the queue is there with other arguments.
fn explain(error: QueueError, queue: String) -> QueueError {
    match &error {
        QueueError::Unavailable(Some(source)) if source.to_string().contains("PRECONDITION") => {
            QueueError::Mismatch(queue)
        }
        _ => error,
    }
}
