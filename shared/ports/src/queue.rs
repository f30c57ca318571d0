//! The queue between splitter and workers.

use async_trait::async_trait;
use muster_messages::Envelope;
use tokio::sync::mpsc;

use crate::error::QueueError;

/// The queues of Muster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueName {
    /// Jobs to be split.
    Split,
    /// Batches of big jobs.
    Batch,
    /// Batches of jobs of up to five batches, which never wait behind big ones.
    BatchSmall,
    /// Messages that could not be used, each with a reason.
    Dead,
}

impl QueueName {
    /// Every queue.
    pub const ALL: [Self; 4] = [Self::Split, Self::Batch, Self::BatchSmall, Self::Dead];

    /// The name within a namespace. The version changes when the properties of the queue do.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split.v1",
            Self::Batch => "batch.v1",
            Self::BatchSmall => "batch.small.v1",
            Self::Dead => "dead.v1",
        }
    }
}

/// The queue as a whole.
pub trait Queue: Publisher {
    /// Takes messages from a queue, at most `prefetch` at a time that are not settled. The consumer
    /// survives restarts of the broker; it ends when it is dropped.
    fn consume(&self, queue: QueueName, prefetch: u16) -> Consumer;
}

/// Puts messages on queues.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Puts a message on a queue. Returns once the queue has it safely.
    async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError>;
    /// Whether the queue can be reached.
    async fn check_ready(&self) -> Result<(), QueueError>;
}

/// The messages that come from a queue.
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
}

impl Consumer {
    /// Follows a channel of deliveries, whose sender ends when this is dropped.
    pub fn new(deliveries: mpsc::Receiver<Delivery>) -> Self {
        Self { deliveries }
    }

    /// The next message. Nothing if the queue was closed for good.
    pub async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

/// A message to be settled once. One that is dropped comes again, here or elsewhere.
pub struct Delivery {
    envelope: Envelope,
    redelivered: bool,
    settle: Box<dyn Settle>,
}

impl Delivery {
    /// A delivery of an adapter.
    pub fn new(envelope: Envelope, redelivered: bool, settle: Box<dyn Settle>) -> Self {
        Self { envelope, redelivered, settle }
    }

    /// The message.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Whether it was delivered before, so that its work may have been done or begun.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// The work is done.
    pub async fn ack(self) {
        self.settle.ack().await;
    }

    /// The message cannot be used; it moves to the dead letters.
    pub async fn reject(self, reason: &str) {
        self.settle.reject(self.envelope, reason).await;
    }
}

/// How an adapter settles one delivery. Failures are the adapter's to log: the message then comes
/// again, and the ledger makes that harmless.
#[async_trait]
pub trait Settle: Send + Sync {
    /// Removes the message from the queue.
    async fn ack(self: Box<Self>);
    /// Moves the message to the dead letters with a reason.
    async fn reject(self: Box<Self>, envelope: Envelope, reason: &str);
}
