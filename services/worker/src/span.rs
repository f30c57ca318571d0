//! The span of a batch, and what is noted in it.

use muster_domain::Counts;
use muster_messages::BatchMessage;
use tracing::Span;
use tracing::field::{Empty, display};

/// What is to be known of a batch, most of it later.
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

/// Notes in the current span which batch it is.
pub(crate) fn describe(message: &BatchMessage) {
    Span::current()
        .record("job", display(message.job))
        .record("batch", display(message.batch))
        .record("rows", message.rows);
}

/// Notes in the current span what became of the rows.
pub(crate) fn record_counts(counts: &Counts) {
    let span = Span::current();
    span.record("created", counts.created).record("updated", counts.updated);
    span.record("unchanged", counts.unchanged).record("failed", counts.failed);
}
