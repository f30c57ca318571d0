//! Messages that could not be used, and what is done with them.

use async_trait::async_trait;
use muster_messages::Envelope;

use crate::error::QueueError;
use crate::queue::QueueName;

/// The dead letters of a queue.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Begins a walk over the letters, oldest first. Letters that one walk has in hand are not seen by
    /// another. Nothing if there is no queue for them.
    async fn walk(&self) -> Result<Option<Box<dyn Letters>>, QueueError>;
}

/// A walk over dead letters. Whatever is neither removed nor replayed stays where it was, when the
/// walk is dropped.
#[async_trait]
pub trait Letters: Send {
    /// How many letters there were when the walk began. Letters behind them came later, for example
    /// because what was replayed died again.
    fn total(&self) -> u64;
    /// The next letter; nothing behind the last.
    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError>;
    /// Removes a letter.
    async fn remove(&mut self, letter: DeadLetter) -> Result<(), QueueError>;
    /// Puts a letter on a queue again, and removes it once the queue has it safely.
    async fn replay(&mut self, letter: DeadLetter, queue: QueueName) -> Result<(), QueueError>;
    /// Ends the walk and waits until the broker has heard what was done.
    async fn end(self: Box<Self>) -> Result<(), QueueError>;
}

/// A message that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message, without what was noted when it died.
    pub envelope: Envelope,
    /// Which letter of its walk it is, counted from 1.
    pub number: u64,
    /// The queue it came from, if that is known.
    pub from: Option<QueueName>,
    /// Why it could not be used.
    pub reason: String,
    /// When it died, in milliseconds since 1970 UTC, if that is known.
    pub dead_ms: Option<i64>,
    /// How often it was replayed.
    pub replays: u32,
}
