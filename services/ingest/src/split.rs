//! Splits stored files: cuts them into batches and publishes the batches.
//!
//! A split request only starts the work. The splitter that receives it takes the lease in the job row, acknowledges the
//! request, and renews the lease while it works. A repeated split reads the file from its start, cuts the same batches,
//! and publishes those that are not in the ledger. After any error the lease is released or expires, and the reconciler
//! requests the split again.

mod clock;
pub(crate) mod cutter;
mod interruption;
mod job;
mod lanes;
pub(crate) mod records;
mod share;
mod source;
mod window;

use std::sync::Arc;
use std::time::Duration;

use muster_domain::JobId;
use muster_files::Archives;
use muster_messages::{PayloadCodec, SplitMessage};
use muster_ports::{Delivery, QueueName, finish_job_and_start_next};
use muster_runtime::failpoint;
use muster_telemetry::context;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::IngestDeps;
use crate::config::IngestConfig;
use interruption::Interruption;
use job::SplitTask;
use share::{BigSplits, TotalWindow};

/// How long a lease lasts without renewal.
pub(crate) const LEASE_DURATION: Duration = Duration::from_mins(1);
/// How often a lease is renewed.
pub(crate) const LEASE_HEARTBEAT: Duration = Duration::from_secs(15);
/// The number of split requests that are prefetched.
const PREFETCH: u16 = 4;
/// The maximum number of concurrent splits in a process that are not known to be big. Each may hold back five batches,
/// so without a limit they would fill the memory while the broker is unavailable.
const MAX_SMALL_SPLITS: usize = 8;
/// The maximum number of batches that are compressed and published concurrently. Waiting jobs take turns.
const MAX_CONCURRENT_PUBLICATIONS: usize = 4;

/// What the splits of a process share.
pub(crate) struct Shared {
    pub(crate) deps: IngestDeps,
    pub(crate) codec: PayloadCodec,
    /// The maximum number of outstanding batches per job.
    pub(crate) job_window: usize,
    pub(crate) small_splits: Arc<Semaphore>,
    pub(crate) big_splits: BigSplits,
    pub(crate) publications: Arc<Semaphore>,
    pub(crate) window: TotalWindow,
    pub(crate) archives: Archives,
}

/// Starts the consumer of split requests.
pub(crate) fn start(deps: &IngestDeps, config: &IngestConfig) {
    let codec = PayloadCodec::new(config.payload_key.as_ref());
    let shared = Arc::new(Shared {
        deps: deps.clone(),
        codec,
        job_window: config.job_window,
        small_splits: Arc::new(Semaphore::new(MAX_SMALL_SPLITS)),
        big_splits: BigSplits::new(),
        publications: Arc::new(Semaphore::new(MAX_CONCURRENT_PUBLICATIONS)),
        window: TotalWindow::new(config.total_window),
        archives: Archives::new(deps.raw.clone(), deps.tasks.clone()),
    });
    let window = shared.window.clone();
    deps.metrics.watch_outstanding(move || window.outstanding() as u64);
    let mut requests = deps.queue.consume(QueueName::Split, PREFETCH);
    let shutdown = deps.shutdown.clone();
    deps.tasks.spawn("split requests", async move {
        while let Some(Some(delivery)) = shutdown.run_until_requested(requests.next()).await {
            handle_request(&shared, delivery).await;
        }
    });
}

async fn handle_request(shared: &Arc<Shared>, delivery: Delivery) {
    let job = match SplitMessage::try_from(delivery.envelope()) {
        Ok(message) => message.job,
        Err(error) => {
            tracing::warn!(%error, "malformed message on the split queue");
            return delivery.reject(&error.to_string()).await;
        }
    };
    // The job row is unchanged, so the reconciler requests the split again.
    if shared.big_splits.must_wait(job) {
        return delivery.ack().await;
    }
    let Ok(permit) = shared.small_splits.clone().try_acquire_owned() else {
        return delivery.ack().await;
    };
    match shared.deps.store.lease_split(job, LEASE_DURATION).await {
        Ok(Some(split)) => {
            let task = SplitTask::new(shared.clone(), split, permit);
            let span = tracing::info_span!("split", otel.kind = "consumer", %job, batches = Empty, rows = Empty);
            context::follow(&span, |name| delivery.envelope().find_header(name));
            shared.deps.tasks.spawn("split", run(shared.clone(), task, job).instrument(span));
        }
        Ok(None) => tracing::debug!(%job, "nothing to split, or another splitter holds the lease"),
        Err(error) => tracing::warn!(%job, %error, "could not start a split; the reconciler will request it again"),
    }
    delivery.ack().await;
}

async fn run(shared: Arc<Shared>, task: SplitTask, job: JobId) {
    let lease = task.lease();
    let metrics = &shared.deps.metrics;
    let (_running, started) = (metrics.splits_running.enter(), Instant::now());
    tracing::info!(%job, "split started");
    match task.run().await {
        Ok(end) => {
            failpoint!("split_finished");
            metrics.splits.add(1, &[("outcome", "done")]);
            metrics.split_seconds.record(started.elapsed(), &[]);
            Span::current().record("batches", end.batches).record("rows", end.rows);
            let readable = end.file_error.is_none();
            tracing::info!(%job, batches = end.batches, rows = end.rows, readable, "split done");
            match finish_job_and_start_next(&*shared.deps.store, &*shared.deps.queue, job).await {
                Ok(Some(finished)) => {
                    metrics.count_finished(finished.state);
                    // Otherwise they expire an hour later.
                    let _ = shared.deps.counters.retire(job).await;
                    tracing::info!(%job, state = finished.state.as_str(), "job finished");
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%job, %error, "could not finish a job; the reconciler will"),
            }
        }
        Err(interruption) => {
            if matches!(interruption, Interruption::TooManyBig) {
                shared.big_splits.add_waiting(job);
            }
            metrics.splits.add(1, &[("outcome", "interrupted")]);
            context::fail(&Span::current());
            tracing::info!(%job, reason = %interruption, "split interrupted; it will be repeated");
            let stalled = matches!(interruption, Interruption::Stalled);
            if let Err(error) = shared.deps.store.release_lease(lease, stalled).await {
                tracing::debug!(%job, %error, "could not release a lease; it will expire");
            }
        }
    }
}
