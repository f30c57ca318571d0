//! Processes one delivery: attempts its batch, then acknowledges, rejects or returns it.

use std::sync::atomic::{AtomicBool, Ordering};

use muster_messages::BatchMessage;
use muster_ports::{Delivery, QueueName};
use muster_runtime::failpoint;
use muster_telemetry::context;
use tokio::time::Instant;
use tracing::Instrument;

use crate::attempt::{Attempt, Processor, Verdict};
use crate::metrics::BatchResult;
use crate::slot::Slot;
use crate::span::{batch_span, record_batch};

/// Processes a delivery and settles it.
pub(crate) async fn process(processor: &Processor, delivery: Delivery, lane: QueueName, slot: &mut Slot) {
    let metrics = &processor.metrics;
    let (_running, started) = (metrics.batches_running.enter(), Instant::now());
    let span = batch_span();
    context::follow(&span, |name| delivery.envelope().find_header(name));
    let result = attempt_and_settle(processor, delivery, lane, slot).instrument(span.clone()).await;
    span.record("outcome", result.as_str());
    if result == BatchResult::Rejected {
        context::fail(&span);
    }
    metrics.count_batch(result);
    metrics.batch_seconds.record(started.elapsed(), &[]);
}

async fn attempt_and_settle(
    processor: &Processor,
    delivery: Delivery,
    lane: QueueName,
    slot: &mut Slot,
) -> BatchResult {
    let verdict = match BatchMessage::try_from(delivery.envelope()) {
        Ok(message) => {
            let (redelivered, published_ms) = (delivery.is_redelivered(), delivery.envelope().publication_time());
            let recorded = AtomicBool::new(false);
            attempt(processor, Attempt { message, redelivered, lane, published_ms, slot, recorded: &recorded }).await
        }
        Err(error) => Verdict::Reject(error.to_string()),
    };
    failpoint!("batch_settled");
    match verdict {
        Verdict::Ack(result) => {
            delivery.ack().await;
            result
        }
        Verdict::Reject(reason) => {
            tracing::warn!(reason, "rejected a message from a batch queue");
            delivery.reject(&reason).await;
            BatchResult::Rejected
        }
        Verdict::MoveToSlowLane => move_to_slow_lane(processor, delivery).await,
        // Dropped unsettled, a delivery returns to its queue.
        Verdict::Redeliver { .. } => BatchResult::Returned,
    }
}

/// Publishes the message to the slow lane before it is acknowledged here. If the worker dies in between, the batch is
/// on both queues, and the ledger makes that harmless.
async fn move_to_slow_lane(processor: &Processor, delivery: Delivery) -> BatchResult {
    match processor.queue.publish(QueueName::BatchSlow, delivery.envelope().clone()).await {
        Ok(()) => {
            delivery.ack().await;
            BatchResult::Moved
        }
        Err(error) => {
            tracing::warn!(%error, "could not move a batch to the slow lane; it is redelivered");
            BatchResult::Returned
        }
    }
}

/// Attempts a batch until a stop is forced.
async fn attempt(processor: &Processor, attempt: Attempt<'_>) -> Verdict {
    record_batch(&attempt.message);
    let (job, batch, recorded) = (attempt.message.job, attempt.message.batch, attempt.recorded);
    let verdict = tokio::select! {
        // The stop is polled first: a batch that waits for its turn must not start when another one is interrupted.
        biased;
        () = processor.shutdown.forced() => Verdict::Redeliver { count_attempt: false },
        verdict = processor.attempt(attempt) => verdict,
    };
    if matches!(verdict, Verdict::Redeliver { count_attempt: false }) && recorded.load(Ordering::Relaxed) {
        processor.undo_attempt(job, batch).await;
    }
    verdict
}
