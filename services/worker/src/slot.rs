//! The slots of a lane: how many of its batches are processed at the same time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A slot that a batch occupies.
pub(crate) struct Slot {
    slots: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Waits for a free slot. `None` if the lane is closed.
    pub(crate) async fn take(slots: &Arc<Semaphore>) -> Option<Self> {
        let permit = slots.clone().acquire_owned().await.ok()?;
        Some(Self { slots: slots.clone(), permit: Some(permit) })
    }

    /// Does work that needs no slot, and leaves the slot to others meanwhile.
    pub(crate) async fn leave_during<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.permit = None;
        let result = work.await;
        self.permit = self.slots.clone().acquire_owned().await.ok();
        result
    }
}
