//! Cuts stored files into batches and publishes them.
//!
//! The split message is a doorbell: whoever hears it takes the lease in the job row, acknowledges,
//! and keeps the lease while it works. A split that begins anew reads the file from its start, cuts
//! the same batches and publishes those that are not in the ledger. Whatever goes wrong, the lease
//! is given back or lapses, and the reconciler rings again.

mod cutter;
mod job;
mod lanes;
mod records;
mod source;
mod stop;
mod window;

use std::sync::Arc;
use std::time::Duration;

use muster_domain::JobId;
use muster_messages::{PayloadCodec, SplitMessage};
use muster_ports::{Delivery, QueueName, finish_and_ring};
use muster_runtime::failpoint;
use muster_telemetry::context;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::IngestDeps;
use crate::config::IngestConfig;
pub(crate) use cutter::{Cut, Cutter, Progress};
use job::SplitTask;
pub(crate) use records::Layout;
use stop::Stop;

/// How long a lease lasts, and how often it is renewed.
pub(crate) const LEASE: Duration = Duration::from_mins(1);
pub(crate) const LEASE_HEARTBEAT: Duration = Duration::from_secs(15);
/// Doorbells heard ahead.
const PREFETCH: u16 = 4;
/// Splits of more than five batches at a time in one process.
const BIG_SPLITS: usize = 8;
/// Splits at a time in one process that have not turned out to be big. Each may hold five batches
/// back; without a bound, a broker that is away would fill the memory.
const SMALL_SPLITS: usize = 8;
/// Batches that are compressed and published at the same time. Waiting jobs are served in turn.
const TURNS: usize = 4;

/// What the splits of a process share.
pub(crate) struct Shared {
    pub(crate) deps: IngestDeps,
    pub(crate) codec: PayloadCodec,
    pub(crate) job_window: usize,
    pub(crate) small: Arc<Semaphore>,
    pub(crate) big: Arc<Semaphore>,
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) window: Arc<Semaphore>,
}

/// Starts the consumer of doorbells.
pub(crate) fn start(deps: &IngestDeps, config: &IngestConfig) {
    let codec = PayloadCodec::new(config.payload_key.as_ref());
    let shared = Arc::new(Shared {
        deps: deps.clone(),
        codec,
        job_window: config.job_window,
        small: Arc::new(Semaphore::new(SMALL_SPLITS)),
        big: Arc::new(Semaphore::new(BIG_SPLITS)),
        turns: Arc::new(Semaphore::new(TURNS)),
        window: Arc::new(Semaphore::new(config.total_window)),
    });
    let (window, total) = (shared.window.clone(), config.total_window);
    deps.metrics.watch_outstanding(move || total.saturating_sub(window.available_permits()) as u64);
    let mut doorbells = deps.queue.consume(QueueName::Split, PREFETCH);
    let shutdown = deps.shutdown.clone();
    deps.tasks.spawn("split doorbell", async move {
        while let Some(Some(delivery)) = shutdown.unless_begun(doorbells.next()).await {
            answer(&shared, delivery).await;
        }
    });
}

async fn answer(shared: &Arc<Shared>, delivery: Delivery) {
    let job = match SplitMessage::try_from(delivery.envelope()) {
        Ok(message) => message.job,
        Err(error) => {
            tracing::warn!(%error, "a message on the split queue cannot be read");
            return delivery.reject(&error.to_string()).await;
        }
    };
    let Ok(place) = shared.small.clone().try_acquire_owned() else {
        // The job row stays as it is, and the reconciler rings again.
        return delivery.ack().await;
    };
    match shared.deps.store.lease_split(job, LEASE).await {
        Ok(Some(split)) => {
            let task = SplitTask::new(shared.clone(), split, place);
            let span = tracing::info_span!("split", otel.kind = "consumer", %job, batches = Empty, rows = Empty);
            context::follow(&span, |name| delivery.envelope().find_header(name));
            shared.deps.tasks.spawn("split", run(shared.clone(), task, job).instrument(span));
        }
        Ok(None) => tracing::debug!(%job, "there is nothing to split, or another splitter has it"),
        Err(error) => tracing::warn!(%job, %error, "a split could not be begun; the reconciler rings again"),
    }
    delivery.ack().await;
}

async fn run(shared: Arc<Shared>, task: SplitTask, job: JobId) {
    let lease = task.lease();
    let metrics = &shared.deps.metrics;
    let (_running, started) = (metrics.splits_running.enter(), Instant::now());
    tracing::info!(%job, "split begun");
    match task.run().await {
        Ok(end) => {
            failpoint!("split_finished");
            metrics.splits.add(1, &[("outcome", "done")]);
            metrics.split_seconds.record(started.elapsed(), &[]);
            Span::current().record("batches", end.batches).record("rows", end.rows);
            tracing::info!(%job, batches = end.batches, rows = end.rows, readable = end.file_error.is_none(), "split done");
            match finish_and_ring(&*shared.deps.store, &*shared.deps.queue, job).await {
                Ok(Some(finished)) => {
                    metrics.finished(finished.state);
                    tracing::info!(%job, state = finished.state.as_str(), "job finished");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%job, %error, "a job could not be finished; the reconciler will"),
            }
        }
        Err(stop) => {
            metrics.splits.add(1, &[("outcome", "interrupted")]);
            context::fail(&Span::current());
            tracing::info!(%job, reason = %stop, "split interrupted; it will be taken up again");
            if let Err(error) = shared.deps.store.release_lease(lease, matches!(stop, Stop::Stalled)).await {
                tracing::debug!(%job, %error, "a lease was not given back; it lapses");
            }
        }
    }
}
