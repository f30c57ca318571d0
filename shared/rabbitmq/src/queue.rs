//! The queue that services use.

use std::sync::Arc;

use async_trait::async_trait;
use muster_messages::Envelope;
use muster_ports::{Consumer, DeadLetterCursor, DeadLetters, Publisher, Queue, QueueDepth, QueueError, QueueName};
use muster_runtime::{Shutdown, Tasks};

use crate::config::RabbitConfig;
use crate::publish::RabbitPublisher;
use crate::{consume, dead};

/// The queue on RabbitMQ.
pub struct RabbitQueue {
    publisher: Arc<RabbitPublisher>,
    config: RabbitConfig,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl RabbitQueue {
    /// Creates a queue that connects when it is first needed. Its consumers end when `shutdown` is forced.
    pub fn new(config: RabbitConfig, tasks: Tasks, shutdown: Shutdown) -> Self {
        let publisher = Arc::new(RabbitPublisher::new(config.clone()));
        Self { publisher, config, tasks, shutdown }
    }
}

impl Queue for RabbitQueue {
    fn consume(&self, queue: QueueName, prefetch: u16) -> Consumer {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let consuming = consume::run(self.config.clone(), queue, prefetch, self.publisher.clone(), sender);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn("consume", async move {
            tokio::select! {
                () = consuming => {}
                // Unsettled deliveries return to the broker when the connection closes.
                () = shutdown.forced() => {}
            }
        });
        Consumer::new(receiver)
    }
}

#[async_trait]
impl Publisher for RabbitQueue {
    async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError> {
        self.publisher.publish(queue, message).await
    }

    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError> {
        self.publisher.depth(queue).await
    }

    async fn check_ready(&self) -> Result<(), QueueError> {
        self.publisher.connection().await.map(drop)
    }
}

#[async_trait]
impl DeadLetters for RabbitQueue {
    async fn open_cursor(&self) -> Result<Option<Box<dyn DeadLetterCursor>>, QueueError> {
        dead::open_cursor(&self.config, &self.publisher).await
    }
}
