//! Receives batches from one queue and processes them in a fixed number of slots.

use std::sync::Arc;

use muster_ports::{Consumer, Delivery, QueueName};
use muster_runtime::{Shutdown, Tasks};
use tokio::sync::Semaphore;

use crate::WorkerDeps;
use crate::attempt::Processor;
use crate::delivery;
use crate::slot::Slot;

/// The settings of a lane.
#[derive(Clone, Copy)]
pub(crate) struct LaneConfig {
    pub(crate) queue: QueueName,
    /// How many batches are processed at the same time.
    pub(crate) slots: usize,
    /// How many further batches may hash passwords meanwhile.
    pub(crate) hashing: usize,
}

/// Starts consuming. One batch more than there is room for is prefetched, so that no slot waits for the broker.
pub(crate) fn start(deps: &WorkerDeps, processor: &Arc<Processor>, config: LaneConfig) {
    let LaneConfig { queue, slots, hashing } = config;
    let prefetch = slots + hashing + 1;
    let mut deliveries = deps.queue.consume(queue, u16::try_from(prefetch).unwrap_or(u16::MAX));
    let lane = Lane {
        queue,
        slots: Arc::new(Semaphore::new(slots)),
        running: Arc::new(Semaphore::new(prefetch)),
        tasks: deps.tasks.clone(),
        shutdown: deps.shutdown.clone(),
        processor: processor.clone(),
    };
    deps.tasks.spawn("lane", async move {
        lane.receive(&mut deliveries).await;
        // Running batches are acknowledged on the consumer's connection, so it is dropped only after them.
        let all = u32::try_from(prefetch).unwrap_or(u32::MAX);
        let _ = lane.running.acquire_many(all).await;
    });
}

struct Lane {
    queue: QueueName,
    /// Occupied by batches while they are processed, except while they hash passwords.
    slots: Arc<Semaphore>,
    /// A permit is held by each batch from its delivery until it is settled.
    running: Arc<Semaphore>,
    tasks: Tasks,
    shutdown: Shutdown,
    processor: Arc<Processor>,
}

impl Lane {
    /// Receives batches until a stop begins. The slot is taken after the delivery: a lane that held its last slot while
    /// no batch comes would keep it from a batch that has hashed its passwords.
    async fn receive(&self, deliveries: &mut Consumer) {
        while let Some(Some(delivery)) = self.shutdown.run_until_requested(deliveries.next()).await {
            let Some(Some(slot)) = self.shutdown.run_until_requested(Slot::take(&self.slots)).await else { return };
            let Ok(permit) = self.running.clone().acquire_owned().await else { return };
            let processing = process(self.processor.clone(), delivery, self.queue, slot);
            self.tasks.spawn("batch", async move {
                processing.await;
                drop(permit);
            });
        }
    }
}

async fn process(processor: Arc<Processor>, delivery: Delivery, lane: QueueName, mut slot: Slot) {
    delivery::process(&processor, delivery, lane, &mut slot).await;
}
