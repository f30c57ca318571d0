//! Processes one delivery: attempts its batch, then acknowledges, rejects or returns it.

use std::sync::atomic::{AtomicBool, Ordering};

use muster_messages::BatchMessage;
use muster_ports::Delivery;
use muster_runtime::failpoint;
use muster_telemetry::context;
use tokio::time::Instant;
use tracing::Instrument;

use crate::attempt::{Processor, Verdict};
use crate::metrics::BatchResult;
use crate::span::{batch_span, record_batch};

/// Processes a delivery and settles it.
pub(crate) async fn process(processor: &Processor, delivery: Delivery) {
    let metrics = &processor.metrics;
    let (_running, started) = (metrics.batches_running.enter(), Instant::now());
    let span = batch_span();
    context::follow(&span, |name| delivery.envelope().find_header(name));
    let result = attempt_and_settle(processor, delivery).instrument(span.clone()).await;
    span.record("outcome", result.as_str());
    if result == BatchResult::Rejected {
        context::fail(&span);
    }
    metrics.count_batch(result);
    metrics.batch_seconds.record(started.elapsed(), &[]);
}

async fn attempt_and_settle(processor: &Processor, delivery: Delivery) -> BatchResult {
    let verdict = match BatchMessage::try_from(delivery.envelope()) {
        Ok(message) => attempt(processor, message, delivery.is_redelivered()).await,
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
        Verdict::Redeliver { .. } => {
            // Dropped unsettled, a delivery returns to its queue.
            drop(delivery);
            BatchResult::Returned
        }
    }
}

/// Attempts a batch until a stop is forced.
async fn attempt(processor: &Processor, message: BatchMessage, redelivered: bool) -> Verdict {
    record_batch(&message);
    let (job, batch, attempt_recorded) = (message.job, message.batch, AtomicBool::new(false));
    let verdict = tokio::select! {
        // The stop is polled first: a batch that waits for its turn must not start when another one is interrupted.
        biased;
        () = processor.shutdown.forced() => Verdict::Redeliver { count_attempt: false },
        verdict = processor.attempt(message, redelivered, &attempt_recorded) => verdict,
    };
    if matches!(verdict, Verdict::Redeliver { count_attempt: false }) && attempt_recorded.load(Ordering::Relaxed) {
        processor.undo_attempt(job, batch).await;
    }
    verdict
}
