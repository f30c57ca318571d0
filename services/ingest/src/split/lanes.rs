//! Chooses the lane of each batch, and publishes the batches.

use std::sync::Arc;

use muster_domain::{Dialect, JobId};
use muster_messages::{BatchMessage, Envelope};
use muster_ports::{QueueError, QueueName, SplitJob};
use muster_runtime::{Backoff, failpoint};
use muster_telemetry::context;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Shared;
use super::clock::DatabaseClock;
use super::cutter::Cut;
use super::interruption::Interruption;

/// A job with more batches is big.
const MAX_SMALL_JOB_BATCHES: usize = 5;

/// The batches of one job until the queue has confirmed them.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    job: JobId,
    dialect: Dialect,
    clock: DatabaseClock,
    /// Batches that are held back until the size of the job is known.
    held: Vec<Cut>,
    batches: usize,
    /// The permit of a small split, held until the job turns out to be big.
    small: Option<OwnedSemaphorePermit>,
    /// The permit of a big split.
    big: Option<OwnedSemaphorePermit>,
    publishing: JoinSet<Result<(), Interruption>>,
}

impl Lanes {
    pub(crate) fn new(
        shared: Arc<Shared>,
        split: &SplitJob,
        clock: DatabaseClock,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            shared,
            job: split.lease.job,
            dialect: split.dialect,
            clock,
            held: Vec::new(),
            batches: 0,
            small: Some(permit),
            big: None,
            publishing: JoinSet::new(),
        }
    }

    /// Takes a batch and returns those that can be sent now, each with its lane. A job that turns out to be big needs
    /// the permit of a big split.
    pub(crate) fn admit(&mut self, cut: Cut) -> Result<Vec<(QueueName, Cut)>, Interruption> {
        self.held.push(cut);
        self.batches += 1;
        if self.batches <= MAX_SMALL_JOB_BATCHES {
            return Ok(Vec::new());
        }
        if self.big.is_none() {
            let permits = self.shared.big_splits.permits.clone();
            self.big = Some(permits.try_acquire_owned().map_err(|_| Interruption::TooManyBig)?);
            self.shared.big_splits.remove_waiting(self.job);
            self.small = None;
        }
        Ok(self.held.drain(..).map(|cut| (QueueName::Batch, cut)).collect())
    }

    /// Returns the batches that are held back: at the end of an epoch and at the end of the file.
    pub(crate) fn take_held(&mut self) -> Vec<(QueueName, Cut)> {
        self.held.drain(..).map(|cut| (QueueName::BatchSmall, cut)).collect()
    }

    /// Waits until the queue has confirmed all batches that were sent.
    pub(crate) async fn wait_for_confirms(&mut self) -> Result<(), Interruption> {
        while let Some(published) = self.publishing.join_next().await {
            published.map_err(|_| Interruption::Stopping)??;
        }
        Ok(())
    }

    /// Starts to publish a batch, once fewer than the maximum number of batches are being published.
    pub(crate) async fn send(&mut self, lane: QueueName, cut: Cut) -> Result<(), Interruption> {
        // Waits here, so that a job that waits for its turn has only one batch in memory.
        let permit = self.shared.publications.clone().acquire_owned().await.map_err(|_| Interruption::Stopping)?;
        while let Some(published) = self.publishing.try_join_next() {
            published.map_err(|_| Interruption::Stopping)??;
        }
        let publishing = seal_and_publish(self.shared.clone(), self.job, self.dialect, self.clock, (lane, cut));
        let with_permit = async move {
            let published = publishing.await;
            drop(permit);
            published
        };
        self.publishing.spawn(with_permit.in_current_span());
        Ok(())
    }
}

/// Compresses and publishes one batch. Retries until the queue confirms it.
async fn seal_and_publish(
    shared: Arc<Shared>,
    job: JobId,
    dialect: Dialect,
    clock: DatabaseClock,
    (lane, cut): (QueueName, Cut),
) -> Result<(), Interruption> {
    let sealing = shared.clone();
    let message = shared.deps.tasks.blocking(move || seal(&sealing, job, dialect, &cut)).await;
    let message = message.map_err(|_| Interruption::Stopping)??;
    let message = Envelope::from(message).with_headers(context::inject()).published_at(clock.now_ms());
    let mut backoff = Backoff::reconnect();
    loop {
        match shared.deps.queue.publish(lane, message.clone()).await {
            Ok(()) => {
                failpoint!("batch_published");
                let lane = if lane == QueueName::BatchSmall { "small" } else { "bulk" };
                shared.deps.metrics.batches_published.add(1, &[("lane", lane)]);
                return Ok(());
            }
            Err(QueueError::ArgumentMismatch(queue)) => {
                tracing::error!(queue, "the queue exists with other arguments than Muster declares");
                backoff.wait().await;
            }
            Err(error) => {
                tracing::debug!(%job, %error, "could not publish a batch; will retry");
                backoff.wait().await;
            }
        }
    }
}

fn seal(shared: &Shared, job: JobId, dialect: Dialect, cut: &Cut) -> Result<BatchMessage, Interruption> {
    let mut message = BatchMessage {
        job,
        batch: cut.batch,
        first_line: cut.first_line,
        first_row: cut.first_row,
        rows: cut.rows,
        first_offset: cut.first_offset,
        end_offset: cut.end_offset,
        dialect,
        broken: cut.broken.clone(),
        payload: bytes::Bytes::new(),
    };
    message.payload = shared.codec.seal(&message.message_id(), &cut.records)?;
    Ok(message)
}
