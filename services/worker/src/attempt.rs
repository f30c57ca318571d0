//! One attempt to apply a batch, from a delivery to its verdict.
//!
//! In order: load the job's rules, wait until the batch may run, record the attempt if the message is redelivered, ask
//! whether the batch is still needed, check the rows, hash passwords, commit, update the counters, finish the job. While
//! the database is unavailable, the attempt waits and commits again; it checks the rows and hashes passwords only once.
//!
//! A batch with many passwords to hash goes to the slow lane, where it keeps no other batch waiting.

mod application;
mod apply_mode;
mod check;
mod hash_pool;
pub(crate) mod passwords;
pub(crate) mod rules;
pub(crate) mod running;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_domain::{BatchNo, CheckedBatch, JobId};
use muster_messages::{BatchMessage, PayloadCodec};
use muster_ports::{Applied, BatchStatus, JobRules, Queue, QueueName, StoreError};
use muster_runtime::{Backoff, Shutdown, Tasks, failpoint};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tracing::Span;
use tracing::field::display;

use crate::attempt::application::Application;
use crate::attempt::apply_mode::{ApplyMode, FIRST_EXCLUSIVE_ATTEMPT};
use crate::attempt::check::{check_records, reject_all_rows, unreadable};
use crate::attempt::passwords::Passwords;
use crate::attempt::rules::RulesCache;
use crate::attempt::running::RunningBatches;
use crate::counter_updates::CounterUpdates;
use crate::metrics::BatchResult;
use crate::slot::Slot;
use crate::span::record_counts;
use crate::{WorkerMetrics, WorkerStore};

/// How long a worker that is forced to stop tries to undo a recorded attempt.
const UNDO_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long finishing a job may take before it is left to the reconciler.
const FINISH_JOB_TIMEOUT: Duration = Duration::from_secs(30);

/// What all attempts of the process share.
pub(crate) struct Processor {
    pub(crate) store: Arc<dyn WorkerStore>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) rules: RulesCache,
    pub(crate) counter_updates: CounterUpdates,
    pub(crate) passwords: Passwords,
    pub(crate) codec: Arc<PayloadCodec>,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    pub(crate) running: RunningBatches,
    /// Locked for writing by a batch that runs alone, for reading by all others.
    pub(crate) turns: RwLock<()>,
}

/// What to do with the delivery after an attempt.
pub(crate) enum Verdict {
    /// The batch needs no more work.
    Ack(BatchResult),
    /// Dead-letter the message, for this reason: it is unusable, or the database cannot read its job. The reconciler
    /// replays or removes it.
    Reject(String),
    /// Return the message to its queue. `count_attempt` is false if the attempt ended because the worker stops: then
    /// the caller removes the record of the attempt.
    Redeliver { count_attempt: bool },
    /// Move the message to the slow lane.
    MoveToSlowLane,
}

/// A delivered batch.
pub(crate) struct Attempt<'a> {
    pub(crate) message: BatchMessage,
    pub(crate) redelivered: bool,
    /// The queue from which it was delivered.
    pub(crate) lane: QueueName,
    /// When it was published, in milliseconds since 1970, if that is known.
    pub(crate) published_ms: Option<i64>,
    pub(crate) slot: &'a mut Slot,
    /// Set once the attempt is recorded in the database: a caller that drops the attempt must then call
    /// [`Processor::undo_attempt`].
    pub(crate) recorded: &'a AtomicBool,
}

/// Permission to run: together with other batches of the process, or alone.
enum Turn<'a> {
    WithOthers { _guard: RwLockReadGuard<'a, ()> },
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

/// Why an attempt ended before its batch was checked.
enum Interrupted {
    /// The service is stopping.
    Stopping,
    /// The database rejected a query.
    Database(StoreError),
}

impl From<Interrupted> for Verdict {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Stopping => Self::Redeliver { count_attempt: false },
            Interrupted::Database(error) => Self::Reject(error.to_string()),
        }
    }
}

/// Why a batch could not be checked.
enum CheckError {
    /// The message is unusable, for this reason.
    Unusable(String),
    /// The check panicked, and not in the check of a single row, where a panic fails only that row.
    Panicked,
    /// The check found another number of rows than the split. Another attempt finds the same, so that the batch is given
    /// up at last.
    OtherRows { expected: u64, found: u64 },
}

impl Processor {
    /// Attempts to apply a batch.
    pub(crate) async fn attempt(&self, attempt: Attempt<'_>) -> Verdict {
        let Attempt { message, redelivered, lane, published_ms, slot, recorded } = attempt;
        let _running = self.running.enter(message.job, message.batch).await;
        let mut backoff = Backoff::reconnect();
        let rules = match self.retry_transient(&mut backoff, || self.rules.get(message.job)).await {
            Ok(Some(rules)) => rules,
            Ok(None) => {
                tracing::debug!(job = %message.job, batch = %message.batch, "dropped a batch of a deleted job");
                return Verdict::Ack(BatchResult::NotRunning);
            }
            Err(interrupted) => return interrupted.into(),
        };
        Span::current().record("tenant", display(rules.tenant));
        let (_turn, mode) = match self.wait_for_turn(&message, redelivered, recorded, &mut backoff).await {
            Ok(ready) => ready,
            Err(interrupted) => return interrupted.into(),
        };
        // A canceled job leaves its batches on the queue, and a repeated split publishes batches twice.
        let status = || self.store.batch_status(message.job, message.batch);
        match self.retry_transient(&mut backoff, status).await {
            Ok(BatchStatus::Open) => {}
            Ok(status) => return Verdict::Ack(self.skip(&message, status).await),
            Err(interrupted) => return interrupted.into(),
        }
        let rows = match self.check(&message, &rules, mode).await {
            Ok(rows) => rows,
            Err(CheckError::Unusable(reason)) => return Verdict::Reject(reason),
            Err(_) if mode == ApplyMode::GiveUp => unreadable(&message, rules.dialect),
            Err(CheckError::Panicked) => {
                tracing::error!(job = %message.job, batch = %message.batch, "the check of a batch panicked");
                return Verdict::Redeliver { count_attempt: true };
            }
            Err(CheckError::OtherRows { expected, found }) => {
                let (job, batch) = (message.job, message.batch);
                tracing::error!(%job, %batch, expected, found, "a batch has other rows than its split counted");
                return Verdict::Redeliver { count_attempt: true };
            }
        };
        let rows = Arc::new(rows);
        let application = Application {
            processor: self,
            message: &message,
            rules: &rules,
            lane,
            published_ms,
            slot,
            mode,
            rows,
            passwords_hashed: false,
        };
        application.apply_until_done(&mut backoff).await
    }

    /// Waits until the batch may run, and records the attempt if the message is redelivered: an earlier attempt may
    /// have killed its worker. It is recorded after the wait, because a worker that dies during the wait was not killed
    /// by this batch; and before the payload is opened, because a payload can kill its worker.
    async fn wait_for_turn(
        &self,
        message: &BatchMessage,
        redelivered: bool,
        attempt_recorded: &AtomicBool,
        backoff: &mut Backoff,
    ) -> Result<(Turn<'_>, ApplyMode), Interrupted> {
        if !redelivered {
            return Ok((Turn::WithOthers { _guard: self.turns.read().await }, ApplyMode::AllRows));
        }
        let (job, batch) = (message.job, message.batch);
        let previous = self.retry_transient(backoff, || self.store.count_attempts(job, batch)).await?;
        let turn = if previous + 1 >= FIRST_EXCLUSIVE_ATTEMPT {
            Turn::Alone { _guard: self.turns.write().await }
        } else {
            Turn::WithOthers { _guard: self.turns.read().await }
        };
        let attempts = self.retry_transient(backoff, || self.store.record_attempt(job, batch)).await?;
        attempt_recorded.store(true, Ordering::Relaxed);
        Ok((turn, ApplyMode::for_attempt(attempts)))
    }

    /// Removes the record of an attempt that ended because the worker stops: the batch is not to blame for that.
    pub(crate) async fn undo_attempt(&self, job: JobId, batch: BatchNo) {
        let undone = tokio::time::timeout(UNDO_ATTEMPT_TIMEOUT, self.store.undo_attempt(job, batch)).await;
        if !matches!(undone, Ok(Ok(()))) {
            tracing::warn!(%job, %batch, "could not undo the attempt of an aborted batch");
        }
    }

    /// Repeats a database call until it ends without a transient error, or the service stops.
    async fn retry_transient<T, F>(&self, backoff: &mut Backoff, call: impl Fn() -> F) -> Result<T, Interrupted>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match call().await {
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "the database is not available; will retry");
                    self.metrics.database_retries.add(1, &[]);
                    self.shutdown.run_until_requested(backoff.wait()).await.ok_or(Interrupted::Stopping)?;
                }
                result => {
                    backoff.reset();
                    return result.map_err(Interrupted::Database);
                }
            }
        }
    }

    /// Parses and checks the rows on the blocking pool. If the batch is given up, all rows are rejected.
    async fn check(
        &self,
        message: &BatchMessage,
        rules: &Arc<JobRules>,
        mode: ApplyMode,
    ) -> Result<CheckedBatch, CheckError> {
        let (message, rules, codec) = (message.clone(), rules.clone(), self.codec.clone());
        let checking = self.tasks.blocking(move || {
            let opened = codec.open(&message.message_id(), &message.payload);
            let records = opened.map_err(|error| CheckError::Unusable(error.to_string()))?;
            failpoint!(blocking "batch_opened");
            let checked = check_records(&message, &rules, &records);
            let (expected, found) = (u64::from(message.rows), checked.row_count());
            if found != expected {
                return Err(CheckError::OtherRows { expected, found });
            }
            Ok(if mode == ApplyMode::GiveUp { reject_all_rows(&checked) } else { checked })
        });
        checking.await.map_err(|_| CheckError::Panicked)?
    }

    /// Returns the result of a batch that is not applied, because an earlier delivery has applied it or its job does not
    /// need it any more.
    async fn skip(&self, message: &BatchMessage, status: BatchStatus) -> BatchResult {
        match status {
            BatchStatus::Applied(counts) => self.complete(message, Applied::AlreadyApplied(counts)).await,
            BatchStatus::Open | BatchStatus::NotRunning => BatchResult::NotRunning,
        }
    }

    /// Updates the counters, and finishes the job if this was its last batch: also if an earlier delivery applied the
    /// batch and died before it did so.
    async fn complete(&self, message: &BatchMessage, applied: Applied) -> BatchResult {
        let (counts, result) = match applied {
            Applied::Committed(counts) => (counts, BatchResult::Applied),
            Applied::AlreadyApplied(counts) => (counts, BatchResult::AlreadyApplied),
            Applied::NotRunning => return BatchResult::NotRunning,
        };
        record_counts(&counts);
        if result == BatchResult::Applied {
            self.metrics.count_rows(&counts);
        }
        failpoint!("batch_applied");
        let bytes = message.end_offset - message.first_offset;
        self.counter_updates.enqueue(message.job, message.batch, counts, bytes);
        failpoint!("batch_counted");
        self.finish_job(message.job).await;
        result
    }

    /// Finishes the job if this was its last batch, and lets the tenant's next job start. If this fails, the reconciler
    /// does it: the batch is committed in any case.
    async fn finish_job(&self, job: JobId) {
        let finishing = self.store.finish_job_and_start_next(&*self.queue, job);
        match tokio::time::timeout(FINISH_JOB_TIMEOUT, finishing).await {
            Ok(Ok(Some(finished))) => {
                self.metrics.count_finished(finished.state);
                self.counter_updates.enqueue_end(job);
                tracing::info!(%job, state = finished.state.as_str(), "job finished");
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(%job, %error, "could not finish a job; the reconciler will"),
            Err(_) => tracing::warn!(%job, "finishing a job took too long; the reconciler will finish it"),
        }
    }
}
