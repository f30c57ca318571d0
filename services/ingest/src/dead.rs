//! Goes through the dead letters: removes those that nobody needs any more, and gives the others one
//! more chance.
//!
//! The broker moves a message here that it has delivered too often, whoever was at fault: a batch that
//! waited in a worker beside the one that killed it comes too. The job would be cut again after its
//! stall; a replay is sooner.

use muster_messages::SplitMessage;
use muster_ports::{DeadLetter, DeadLetters, QueueError, QueueName, StoreError, Upkeep};

use crate::metrics::{IngestMetrics, Repair};

/// Letters of one walk at most.
const MOST: u64 = 10_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum DeadError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What becomes of a letter.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Remove,
    Replay(QueueName),
    Keep,
}

/// Goes through all letters once.
pub(crate) async fn tidy(
    letters: &dyn DeadLetters,
    store: &dyn Upkeep,
    metrics: &IngestMetrics,
) -> Result<(), DeadError> {
    let Some(mut walk) = letters.walk().await? else { return Ok(()) };
    let mut gone = 0;
    while let Some(letter) = walk.next().await? {
        if letter.number > walk.total().min(MOST) {
            break;
        }
        match fate(&letter, store).await? {
            Fate::Remove => {
                tracing::debug!(reason = letter.reason, "a dead letter that nobody needs was removed");
                walk.remove(letter).await?;
                metrics.repaired(Repair::DeadRemoved);
                gone += 1;
            }
            Fate::Replay(queue) => {
                tracing::info!(reason = letter.reason, queue = queue.as_str(), "a dead letter is replayed");
                walk.replay(letter, queue).await?;
                metrics.repaired(Repair::DeadReplayed);
                gone += 1;
            }
            Fate::Keep => {}
        }
    }
    metrics.dead_letters.set(walk.total().saturating_sub(gone));
    Ok(walk.end().await?)
}

async fn fate(letter: &DeadLetter, store: &dyn Upkeep) -> Result<Fate, StoreError> {
    if SplitMessage::try_from(&letter.envelope).is_ok() {
        // The reconciler rings for such a job by itself.
        return Ok(Fate::Remove);
    }
    let Some((job, batch)) = letter.envelope.batch() else { return Ok(Fate::Keep) };
    if !store.batch_is_missing(job, batch).await? {
        return Ok(Fate::Remove);
    }
    Ok(match letter.from {
        Some(queue) if letter.replays == 0 => Fate::Replay(queue),
        _ => Fate::Keep,
    })
}
