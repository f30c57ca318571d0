//! Puts messages on queues and waits until the broker has them safely.
//!
//! A channel carries one message at a time. lapin hands a returned message to whichever
//! confirmation resolves next, so with two in flight it would not be known whose it is.

use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection};
use muster_messages::Envelope;
use muster_ports::{QueueError, QueueName};
use tokio::sync::{Mutex, Semaphore};

use crate::config::RabbitConfig;
use crate::{connection, convert, topology};

/// Publications in flight at most, each on a channel of its own.
const CHANNELS: usize = 8;

/// Publishes on a connection of its own, made when it is needed.
pub(crate) struct RabbitPublisher {
    config: RabbitConfig,
    in_flight: Semaphore,
    open: Mutex<Open>,
}

/// The current connection and its idle channels.
#[derive(Default)]
struct Open {
    connection: Option<Arc<Connection>>,
    idle: Vec<Channel>,
}

impl RabbitPublisher {
    pub(crate) fn new(config: RabbitConfig) -> Self {
        Self { config, in_flight: Semaphore::new(CHANNELS), open: Mutex::default() }
    }

    /// Publishes a message. A future that is dropped takes its channel with it.
    pub(crate) async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError> {
        let publishing = async {
            let _permit = self.in_flight.acquire().await.map_err(|_| QueueError::Unavailable(None))?;
            let channel = self.take_channel().await?;
            self.publish_on(&channel, queue, &message).await?;
            self.open.lock().await.idle.push(channel);
            Ok(())
        };
        let deadline = self.config.publish_deadline;
        tokio::time::timeout(deadline, publishing).await.unwrap_or(Err(QueueError::Unavailable(None)))
    }

    async fn publish_on(&self, channel: &Channel, queue: QueueName, message: &Envelope) -> Result<(), QueueError> {
        let unavailable = |error: lapin::Error| QueueError::Unavailable(Some(Box::new(error)));
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let name = self.config.queue(queue);
        let confirm = channel
            .basic_publish("".into(), name.as_str().into(), options, &message.body, convert::properties(message))
            .await
            .map_err(unavailable)?;
        match confirm.await.map_err(unavailable)? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                // The queue was deleted: the next connection declares it again.
                self.forget().await;
                Err(QueueError::Unroutable(queue.as_str()))
            }
            Confirmation::Nack(None) => Err(QueueError::Full(queue.as_str())),
            Confirmation::NotRequested => Err(QueueError::Unavailable(None)),
        }
    }

    async fn take_channel(&self) -> Result<Channel, QueueError> {
        while let Some(channel) = self.open.lock().await.idle.pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let connection = self.connection().await?;
        let channel = connection::channel(&connection).await?;
        connection::answer(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, QueueError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = open.connection.as_ref().filter(|connection| connection.status().connected()) {
            return Ok(connection.clone());
        }
        open.idle.clear();
        let connection = Arc::new(connection::connect(&self.config, "publisher").await?);
        topology::declare(&connection::channel(&connection).await?, &self.config).await?;
        open.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn forget(&self) {
        *self.open.lock().await = Open::default();
    }
}
