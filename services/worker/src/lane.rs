//! Receives batches from one queue and processes them in a fixed number of slots.

use std::sync::Arc;

use muster_ports::{Consumer, QueueName};
use muster_runtime::{Shutdown, Tasks};
use tokio::sync::Semaphore;

use crate::WorkerDeps;
use crate::attempt::Processor;
use crate::delivery;

/// Starts consuming. One batch more than there are slots is prefetched, so that no slot waits for the broker.
pub(crate) fn start(deps: &WorkerDeps, processor: &Arc<Processor>, lane: QueueName, slots: usize) {
    let prefetch = u16::try_from(slots + 1).unwrap_or(u16::MAX);
    let mut deliveries = deps.queue.consume(lane, prefetch);
    let permits = Arc::new(Semaphore::new(slots));
    let (tasks, shutdown, processor) = (deps.tasks.clone(), deps.shutdown.clone(), processor.clone());
    deps.tasks.spawn("lane", async move {
        receive(&permits, &mut deliveries, &tasks, &shutdown, &processor).await;
        // Running batches are acknowledged on the consumer's connection, so it is dropped only after them.
        let all = u32::try_from(slots).unwrap_or(u32::MAX);
        let _ = permits.acquire_many(all).await;
    });
}

/// Receives batches until a stop begins.
async fn receive(
    permits: &Arc<Semaphore>,
    deliveries: &mut Consumer,
    tasks: &Tasks,
    shutdown: &Shutdown,
    processor: &Arc<Processor>,
) {
    while let Some(Ok(permit)) = shutdown.run_until_requested(permits.clone().acquire_owned()).await {
        let Some(Some(delivery)) = shutdown.run_until_requested(deliveries.next()).await else { return };
        let processor = processor.clone();
        tasks.spawn("batch", async move {
            delivery::process(&processor, delivery).await;
            drop(permit);
        });
    }
}
