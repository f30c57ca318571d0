//! Which lane a batch takes, and its way onto the queue.

use std::sync::Arc;

use muster_domain::{Dialect, JobId};
use muster_messages::{BatchMessage, Envelope};
use muster_ports::{QueueError, QueueName};
use muster_runtime::{Backoff, failpoint};
use muster_telemetry::context;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Shared;
use super::cutter::Cut;
use super::stop::Stop;

/// A job of so many batches is small.
const SMALL_JOB_BATCHES: usize = 5;

/// The batches of one job on their way to the queue.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    job: JobId,
    dialect: Dialect,
    /// Batches held back until it is known whether the job is small.
    held: Vec<Cut>,
    seen: usize,
    /// Held until the job turns out to be big.
    small: Option<OwnedSemaphorePermit>,
    big: Option<OwnedSemaphorePermit>,
    publishing: JoinSet<Result<(), Stop>>,
}

impl Lanes {
    pub(crate) fn new(shared: Arc<Shared>, job: JobId, dialect: Dialect, place: OwnedSemaphorePermit) -> Self {
        Self {
            shared,
            job,
            dialect,
            held: Vec::new(),
            seen: 0,
            small: Some(place),
            big: None,
            publishing: JoinSet::new(),
        }
    }

    /// Takes a batch and gives those that may go now, each with its lane. A job that turns out to be
    /// big needs a place among the big ones.
    pub(crate) fn admit(&mut self, cut: Cut) -> Result<Vec<(QueueName, Cut)>, Stop> {
        self.held.push(cut);
        self.seen += 1;
        if self.seen <= SMALL_JOB_BATCHES {
            return Ok(Vec::new());
        }
        if self.big.is_none() {
            let places: &Arc<Semaphore> = &self.shared.big;
            self.big = Some(places.clone().try_acquire_owned().map_err(|_| Stop::TooManyBig)?);
            self.small = None;
        }
        Ok(self.held.drain(..).map(|cut| (QueueName::Batch, cut)).collect())
    }

    /// Gives what was held back: before the end of an epoch, and at the end of the file.
    pub(crate) fn release(&mut self) -> Vec<(QueueName, Cut)> {
        self.held.drain(..).map(|cut| (QueueName::BatchSmall, cut)).collect()
    }

    /// Waits until the queue has everything safely.
    pub(crate) async fn settle(&mut self) -> Result<(), Stop> {
        while let Some(published) = self.publishing.join_next().await {
            published.map_err(|_| Stop::Stopping)??;
        }
        Ok(())
    }

    /// Puts a batch on its way to the queue.
    pub(crate) async fn publish(&mut self, lane: QueueName, cut: Cut) -> Result<(), Stop> {
        // Here, so that a job that waits for its turn has one batch in memory.
        let turn = self.shared.turns.clone().acquire_owned().await.map_err(|_| Stop::Stopping)?;
        while let Some(published) = self.publishing.try_join_next() {
            published.map_err(|_| Stop::Stopping)??;
        }
        let publishing = publish(self.shared.clone(), self.job, self.dialect, lane, cut);
        let in_turn = async move {
            let published = publishing.await;
            drop(turn);
            published
        };
        self.publishing.spawn(in_turn.in_current_span());
        Ok(())
    }
}

/// Compresses and publishes one batch.
async fn publish(shared: Arc<Shared>, job: JobId, dialect: Dialect, lane: QueueName, cut: Cut) -> Result<(), Stop> {
    let sealing = shared.clone();
    let message = shared.deps.tasks.blocking(move || seal(&sealing, job, dialect, &cut)).await;
    let message = message.map_err(|_| Stop::Stopping)??;
    let message = Envelope::from(message).with_headers(context::inject());
    let mut backoff = Backoff::reconnect();
    loop {
        match shared.deps.queue.publish(lane, message.clone()).await {
            Ok(()) => {
                failpoint!("batch_published");
                let lane = if lane == QueueName::BatchSmall { "small" } else { "bulk" };
                shared.deps.metrics.batches_published.add(1, &[("lane", lane)]);
                return Ok(());
            }
            Err(QueueError::Mismatch(queue)) => {
                tracing::error!(queue, "the queue exists with other arguments than Muster declares");
                backoff.wait().await;
            }
            Err(error) => {
                tracing::debug!(%job, %error, "a batch was not taken by the queue; trying again");
                backoff.wait().await;
            }
        }
    }
}

fn seal(shared: &Shared, job: JobId, dialect: Dialect, cut: &Cut) -> Result<BatchMessage, Stop> {
    let mut message = BatchMessage {
        job,
        batch: cut.batch,
        first_line: cut.first_line,
        first_row: cut.first_row,
        rows: cut.rows,
        first_offset: cut.first_offset,
        end_offset: cut.end_offset,
        dialect,
        payload: bytes::Bytes::new(),
    };
    message.payload = shared.codec.seal(&message.message_id(), &cut.records)?;
    Ok(message)
}
