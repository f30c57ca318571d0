//! Publishes messages and waits for the publisher confirm.
//!
//! A channel carries one message at a time. lapin attaches a returned message to the confirm that resolves next, so
//! with two messages in flight it would be unknown which of them was returned.

use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection};
use muster_messages::Envelope;
use muster_ports::{QueueDepth, QueueError, QueueName};
use tokio::sync::{Mutex, Semaphore};

use crate::config::RabbitConfig;
use crate::{connection, convert, topology};

/// Maximum number of messages in flight, each on its own channel.
const MAX_MESSAGES_IN_FLIGHT: usize = 8;

/// Publishes on its own connection, which is opened when it is first needed.
pub(crate) struct RabbitPublisher {
    config: RabbitConfig,
    in_flight: Semaphore,
    link: Mutex<Link>,
}

/// The current connection and its idle channels.
#[derive(Default)]
struct Link {
    connection: Option<Arc<Connection>>,
    idle: Vec<Channel>,
}

impl RabbitPublisher {
    pub(crate) fn new(config: RabbitConfig) -> Self {
        Self { config, in_flight: Semaphore::new(MAX_MESSAGES_IN_FLIGHT), link: Mutex::default() }
    }

    /// Publishes a message and waits for its confirm. If the future is dropped, its channel is not reused.
    pub(crate) async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError> {
        let publishing = async {
            let _permit = self.in_flight.acquire().await.map_err(|_| QueueError::Unavailable(None))?;
            let channel = self.take_channel().await?;
            self.publish_on(&channel, queue, &message).await?;
            self.link.lock().await.idle.push(channel);
            Ok(())
        };
        let deadline = self.config.publish_deadline;
        tokio::time::timeout(deadline, publishing).await.unwrap_or(Err(QueueError::Unavailable(None)))
    }

    async fn publish_on(&self, channel: &Channel, queue: QueueName, message: &Envelope) -> Result<(), QueueError> {
        let unavailable = |error: lapin::Error| QueueError::Unavailable(Some(Box::new(error)));
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let name = self.config.queue_name(queue);
        let confirm = channel
            .basic_publish("".into(), name.as_str().into(), options, &message.body, convert::properties(message))
            .await
            .map_err(unavailable)?;
        match confirm.await.map_err(unavailable)? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                // The message was returned because its queue was deleted. The next connection declares it again.
                self.disconnect().await;
                Err(QueueError::NoSuchQueue(queue.as_str()))
            }
            Confirmation::Nack(None) => Err(QueueError::Full(queue.as_str())),
            Confirmation::NotRequested => Err(QueueError::Unavailable(None)),
        }
    }

    /// Asks the broker how full a queue is.
    pub(crate) async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError> {
        let channel = connection::open_channel(&*self.connection().await?).await?;
        let (name, options) = (self.config.queue_name(queue), QueueDeclareOptions::durable().passive());
        let declared = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
        let declared = connection::with_deadline(declared).await?;
        let depth =
            QueueDepth { waiting: declared.message_count().into(), consumers: declared.consumer_count().into() };
        let _ = connection::with_deadline(channel.close(200, "".into())).await;
        Ok(depth)
    }

    async fn take_channel(&self) -> Result<Channel, QueueError> {
        while let Some(channel) = self.link.lock().await.idle.pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let connection = self.connection().await?;
        let channel = connection::open_channel(&connection).await?;
        connection::with_deadline(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// Returns the current connection, or opens one and declares the queues.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, QueueError> {
        let mut link = self.link.lock().await;
        if let Some(connection) = link.connection.as_ref().filter(|connection| connection.status().connected()) {
            return Ok(connection.clone());
        }
        link.idle.clear();
        let connection = Arc::new(connection::connect(&self.config, "publisher").await?);
        topology::declare(&connection::open_channel(&connection).await?, &self.config).await?;
        link.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn disconnect(&self) {
        *self.link.lock().await = Link::default();
    }
}
