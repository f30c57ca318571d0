//! Dead letters: messages that could not be used, and what can be done with them.

use async_trait::async_trait;
use muster_messages::Envelope;

use crate::error::QueueError;
use crate::queue::QueueName;

/// The dead letters of the queue.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Opens a cursor over the dead letters, oldest first. Letters that one cursor has returned are invisible to
    /// others until it is dropped. `None` if the dead-letter queue does not exist.
    async fn open_cursor(&self) -> Result<Option<Box<dyn DeadLetterCursor>>, QueueError>;
}

/// A cursor over dead letters. Letters that are neither removed nor replayed return to their position in the queue
/// when the cursor is dropped.
#[async_trait]
pub trait DeadLetterCursor: Send {
    /// Returns the number of letters at the time when the cursor was opened. Further letters arrived later, for example
    /// because a replayed message was rejected again.
    fn total(&self) -> u64;
    /// Returns the next letter, or `None` after the last one.
    async fn next(&mut self) -> Result<Option<DeadLetter>, QueueError>;
    /// Removes a letter.
    async fn remove(&mut self, letter: DeadLetter) -> Result<(), QueueError>;
    /// Publishes a letter to a queue again, and removes it once the publication is confirmed.
    async fn replay(&mut self, letter: DeadLetter, queue: QueueName) -> Result<(), QueueError>;
    /// Closes the cursor, and waits until the broker has processed every removal.
    async fn end(self: Box<Self>) -> Result<(), QueueError>;
}

/// A message that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The message, without the headers that were added when it was dead-lettered.
    pub envelope: Envelope,
    /// The position among the letters that the cursor returned, counted from 1.
    pub number: u64,
    /// The queue that the message came from, if known.
    pub from: Option<QueueName>,
    /// Why it could not be used.
    pub reason: String,
    /// When it was dead-lettered, in milliseconds since 1970 UTC, if known.
    pub dead_ms: Option<i64>,
    /// How often it was replayed.
    pub replays: u32,
}
