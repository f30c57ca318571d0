//! The tracing span of a batch and its fields.

use muster_domain::Counts;
use muster_messages::BatchMessage;
use tracing::Span;
use tracing::field::{Empty, display};

/// Creates the span of a batch. Its fields are filled in as they become known.
pub(crate) fn batch_span() -> Span {
    tracing::info_span!(
        "batch",
        otel.kind = "consumer",
        job = Empty,
        tenant = Empty,
        batch = Empty,
        rows = Empty,
        outcome = Empty,
        created = Empty,
        updated = Empty,
        unchanged = Empty,
        failed = Empty,
    )
}

/// Records in the current span which batch it is.
pub(crate) fn record_batch(message: &BatchMessage) {
    Span::current()
        .record("job", display(message.job))
        .record("batch", display(message.batch))
        .record("rows", message.rows);
}

/// Records the outcomes of the rows in the current span.
pub(crate) fn record_counts(counts: &Counts) {
    let span = Span::current();
    span.record("created", counts.created).record("updated", counts.updated);
    span.record("unchanged", counts.unchanged).record("failed", counts.failed);
}
