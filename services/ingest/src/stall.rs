//! Tells batches that the queue has lost from batches that only wait.
//!
//! A queue delivers in order. So a batch that is not applied was lost if its queue is empty, or if batches that were
//! published much later are applied. Without workers nothing is known, and nothing is lost by waiting.

use std::time::Duration;

use muster_ports::{Queue, QueueName, StoreError, Upkeep};

/// How much later another batch must have been published: deliveries overtake each other, and clocks differ.
const MARGIN: Duration = Duration::from_mins(1);

/// Whether batches that were published until `published_ms` and are not applied, though nothing has been applied for a
/// while, were lost. `published_ms` are milliseconds since 1970.
pub(crate) async fn are_lost(queue: &dyn Queue, store: &dyn Upkeep, published_ms: i64) -> Result<bool, StoreError> {
    let margin = i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX);
    for lane in QueueName::LANES {
        // While the broker cannot be reached, publishing again would not help.
        let Ok(depth) = queue.depth(lane).await else { return Ok(false) };
        if depth.consumers == 0 {
            return Ok(false);
        }
        if depth.waiting == 0 {
            continue;
        }
        let newest = store.newest_publication(lane).await?;
        if newest.is_none_or(|newest| newest < published_ms.saturating_add(margin)) {
            return Ok(false);
        }
    }
    Ok(true)
}
