//! The queue between the splitter and the workers.

use async_trait::async_trait;
use muster_messages::Envelope;
use tokio::sync::mpsc;

use crate::error::QueueError;

/// The queues of Muster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueName {
    /// Requests to split a job.
    Split,
    /// The bulk lane: batches of large jobs.
    Batch,
    /// The small lane: batches of jobs with up to five batches, which never wait for large jobs.
    BatchSmall,
    /// The slow lane: batches with many passwords to hash, which no other batch waits for.
    BatchSlow,
    /// Messages that could not be used, each with a reason.
    Dead,
}

impl QueueName {
    /// Every queue.
    pub const ALL: [Self; 5] = [Self::Split, Self::Batch, Self::BatchSmall, Self::BatchSlow, Self::Dead];

    /// The queues of batches.
    pub const LANES: [Self; 3] = [Self::Batch, Self::BatchSmall, Self::BatchSlow];

    /// Returns the name without the queue prefix. Its version is raised when the arguments of the queue change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split.v1",
            Self::Batch => "batch.v1",
            Self::BatchSmall => "batch.small.v1",
            Self::BatchSlow => "batch.slow.v1",
            Self::Dead => "dead.v1",
        }
    }
}

/// Publishes to queues and consumes from them.
pub trait Queue: Publisher {
    /// Consumes from a queue, with up to `prefetch` unsettled deliveries at a time. The consumer survives restarts of
    /// the broker; it ends when it is dropped.
    fn consume(&self, queue: QueueName, prefetch: u16) -> Consumer;
}

/// How full a queue is, and whether it is consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// The number of messages that wait for delivery. Delivered ones that are not settled do not count.
    pub waiting: u64,
    /// The number of consumers.
    pub consumers: u64,
}

/// Publishes to queues.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes a message. Returns once the queue has confirmed it.
    async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError>;
    /// Returns how full a queue is.
    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError>;
    /// Checks that the queue can be reached.
    async fn check_ready(&self) -> Result<(), QueueError>;
}

/// Receives the deliveries of one queue.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
}

impl Consumer {
    /// Creates a consumer of a channel of deliveries. The sender must stop when the consumer is dropped.
    pub fn new(deliveries: mpsc::Receiver<Delivery>) -> Self {
        Self { deliveries }
    }

    /// Returns the next delivery, or `None` if the queue was closed for good.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

/// A message to be settled exactly once. If it is dropped instead, it is redelivered, here or to another consumer.
pub struct Delivery {
    envelope: Envelope,
    redelivered: bool,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// Creates a delivery; for adapters.
    pub fn new(envelope: Envelope, redelivered: bool, settle: Box<dyn Settle>) -> Self {
        Self { envelope, redelivered, settle }
    }

    /// Returns the message.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns whether the message was delivered before, so that its work may have been started or done.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// Acknowledges the message: its work is done.
    pub async fn ack(self) {
        self.settle.ack().await;
    }

    /// Moves the message to the dead letters, because it cannot be used.
    pub async fn reject(self, reason: &str) {
        self.settle.reject(self.envelope, reason).await;
    }
}

/// Settles one delivery. The adapter only logs a failure: the message is then redelivered, and the ledger makes that
/// harmless.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Removes the message from the queue.
    async fn ack(self: Box<Self>);
    /// Moves the message to the dead letters with a reason.
    async fn reject(self: Box<Self>, envelope: Envelope, reason: &str);
}
