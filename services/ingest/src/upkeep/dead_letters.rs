//! Triages the dead letters: removes those that no job needs any more, and replays the others once.
//!
//! The broker dead-letters a message that it has delivered too often, whatever the cause: a batch that waited in a
//! worker beside the batch that killed it is dead-lettered too. The job would recover without a replay, because its
//! split is repeated when it stalls; a replay is faster.

use muster_messages::SplitMessage;
use muster_ports::{DeadLetter, DeadLetters, QueueError, QueueName, StoreError, Upkeep};

use crate::metrics::{IngestMetrics, Repair};

const MAX_LETTERS_PER_PASS: u64 = 10_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TriageError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What to do with a dead letter.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Remove,
    Replay(QueueName),
    Keep,
}

/// Triages all dead letters once.
pub(crate) async fn triage(
    letters: &dyn DeadLetters,
    store: &dyn Upkeep,
    metrics: &IngestMetrics,
) -> Result<(), TriageError> {
    let Some(mut cursor) = letters.open_cursor().await? else { return Ok(()) };
    let mut gone = 0;
    while let Some(letter) = cursor.next().await? {
        if letter.number > cursor.total().min(MAX_LETTERS_PER_PASS) {
            break;
        }
        match choose_action(&letter, store).await? {
            Action::Remove => {
                tracing::debug!(reason = letter.reason, "removing a dead letter that no job needs");
                cursor.remove(letter).await?;
                metrics.count_repair(Repair::DeadRemoved);
                gone += 1;
            }
            Action::Replay(queue) => {
                tracing::info!(reason = letter.reason, queue = queue.as_str(), "replaying a dead letter");
                cursor.replay(letter, queue).await?;
                metrics.count_repair(Repair::DeadReplayed);
                gone += 1;
            }
            Action::Keep => {}
        }
    }
    metrics.dead_letters.set(cursor.total().saturating_sub(gone));
    Ok(cursor.end().await?)
}

async fn choose_action(letter: &DeadLetter, store: &dyn Upkeep) -> Result<Action, StoreError> {
    if SplitMessage::try_from(&letter.envelope).is_ok() {
        // The reconciler requests the split of every job that waits for one.
        return Ok(Action::Remove);
    }
    let Some((job, batch)) = letter.envelope.batch() else { return Ok(Action::Keep) };
    if !store.is_batch_outstanding(job, batch).await? {
        return Ok(Action::Remove);
    }
    Ok(match letter.from {
        Some(queue) if letter.replays == 0 => Action::Replay(queue),
        _ => Action::Keep,
    })
}
