//! Declares the queues.
//!
//! All are quorum queues (<https://www.rabbitmq.com/docs/quorum-queues>), which keep a confirmed message as long as a
//! majority of their members is not lost for good. The delivery limit has no default before RabbitMQ 4.0 and is 20 from
//! then on. Dead-lettering is at-most-once by default; at-least-once requires `overflow=reject-publish`.

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use muster_ports::{QueueError, QueueName};

use crate::config::RabbitConfig;
use crate::connection::with_deadline;

/// Deliveries of a message before the broker dead-letters it. Workers give a batch up at its fifth recorded attempt;
/// this limit catches messages that kill their worker before the attempt is recorded.
const DELIVERY_LIMIT: i32 = 20;
/// Delivery limit of the dead-letter queue, high enough never to be reached: every read returns its letters to the
/// queue, which counts as a delivery, and from RabbitMQ 4.0 on the default limit would discard them after 20 reads.
const DEAD_DELIVERY_LIMIT: i32 = 1_000_000_000;
/// How long dead letters are kept. It is bounded because they hold personal data.
const DEAD_TTL_MS: i64 = 7 * 24 * 3600 * 1000;

/// Declares every queue. After an error the channel is unusable.
pub(crate) async fn declare(channel: &Channel, config: &RabbitConfig) -> Result<(), QueueError> {
    for queue in QueueName::ALL {
        let name = config.queue_name(queue);
        let declared =
            channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments(queue, config));
        with_deadline(declared).await.map_err(|error| explain_mismatch(error, name))?;
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
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DEAD_DELIVERY_LIMIT));
    } else {
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(&config.queue_name(QueueName::Dead)));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    }
    arguments
}

/// Recognizes 406 PRECONDITION_FAILED: the queue exists with other arguments.
fn explain_mismatch(error: QueueError, queue: String) -> QueueError {
    match &error {
        QueueError::Unavailable(Some(source)) if source.to_string().contains("PRECONDITION") => {
            QueueError::ArgumentMismatch(queue)
        }
        _ => error,
    }
}
