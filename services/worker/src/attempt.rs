//! One attempt at a batch.
//!
//! In order: load the job's rules, wait for isolation, record the attempt if the batch is redelivered, check the rows,
//! hash passwords, commit, update the counters, finish the job. Rows are checked and passwords hashed once; retries
//! reuse the result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_domain::{BatchNo, CheckedBatch, JobId};
use muster_messages::{BatchMessage, PayloadCodec};
use muster_ports::{Applied, BatchToApply, JobRules, Queue, StoreError};
use muster_runtime::{Backoff, Shutdown, Tasks, failpoint};
use muster_telemetry::context;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;
use tracing::field::display;
use tracing::{Instrument, Span};

use crate::apply_mode::{ApplyMode, FIRST_EXCLUSIVE_ATTEMPT};
use crate::check::{all_failed, check_records, unreadable};
use crate::counter_updates::CounterUpdates;
use crate::metrics::BatchResult;
use crate::passwords::Passwords;
use crate::rules::RulesCache;
use crate::span::record_counts;
use crate::{WorkerMetrics, WorkerStore};

/// How long a worker that is forced to stop tries to undo a recorded attempt.
const UNDO_ATTEMPT_DEADLINE: Duration = Duration::from_secs(1);
/// How long finishing a job may take before it is left to the reconciler.
const FINISH_JOB_DEADLINE: Duration = Duration::from_secs(30);

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
    /// Locked for writing by a batch that runs alone, for reading by all others.
    pub(crate) isolation: RwLock<()>,
}

/// What to do with the delivery after an attempt.
pub(crate) enum Verdict {
    /// The batch needs no more work.
    Ack(BatchResult),
    /// The message is unusable, for this reason.
    Reject(String),
    /// Return the message to its queue. `count_attempt` is false if the attempt ended because the worker stops: then a
    /// recorded attempt is undone.
    Redeliver { count_attempt: bool },
}

/// Whether other batches of the process may run at the same time.
enum Isolation<'a> {
    Shared { _guard: RwLockReadGuard<'a, ()> },
    Exclusive { _guard: RwLockWriteGuard<'a, ()> },
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
    /// The check panicked outside of the rules for a single row, which catch their own panics.
    Panicked,
}

impl Processor {
    /// Attempts a batch. Sets `attempt_recorded` once the attempt has been recorded in the database, so that a caller
    /// that drops this future knows whether to undo that.
    pub(crate) async fn attempt(
        &self,
        message: BatchMessage,
        redelivered: bool,
        attempt_recorded: &AtomicBool,
    ) -> Verdict {
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
        let (_isolation, mode) = match self.begin(&message, redelivered, attempt_recorded, &mut backoff).await {
            Ok(ready) => ready,
            Err(interrupted) => return interrupted.into(),
        };
        let rows = match self.check(&message, &rules, mode).await {
            Ok(rows) => rows,
            Err(CheckError::Unusable(reason)) => return Verdict::Reject(reason),
            Err(CheckError::Panicked) if mode == ApplyMode::GiveUp => unreadable(&message, rules.dialect),
            Err(CheckError::Panicked) => {
                tracing::error!(job = %message.job, batch = %message.batch, "the check of a batch panicked");
                return Verdict::Redeliver { count_attempt: true };
            }
        };
        let rows = Arc::new(rows);
        let attempt = Attempt { processor: self, message: &message, rules: &rules, mode, rows, hashed: false };
        attempt.apply_until_done(&mut backoff).await
    }

    /// Waits for isolation, and records the attempt if the batch is redelivered. The attempt is recorded after the
    /// wait, so that it does not count if the worker dies during the wait, and before the body is read, because a body
    /// may kill its worker.
    async fn begin(
        &self,
        message: &BatchMessage,
        redelivered: bool,
        attempt_recorded: &AtomicBool,
        backoff: &mut Backoff,
    ) -> Result<(Isolation<'_>, ApplyMode), Interrupted> {
        if !redelivered {
            return Ok((Isolation::Shared { _guard: self.isolation.read().await }, ApplyMode::AllRows));
        }
        let (job, batch) = (message.job, message.batch);
        let previous = self.retry_transient(backoff, || self.store.count_attempts(job, batch)).await?;
        let isolation = if previous + 1 >= FIRST_EXCLUSIVE_ATTEMPT {
            Isolation::Exclusive { _guard: self.isolation.write().await }
        } else {
            Isolation::Shared { _guard: self.isolation.read().await }
        };
        let attempts = self.retry_transient(backoff, || self.store.record_attempt(job, batch)).await?;
        attempt_recorded.store(true, Ordering::Relaxed);
        Ok((isolation, ApplyMode::for_attempt(attempts)))
    }

    /// Undoes the record of an attempt that ended because the worker stops: the batch did not cause that.
    pub(crate) async fn undo_attempt(&self, job: JobId, batch: BatchNo) {
        let undone = tokio::time::timeout(UNDO_ATTEMPT_DEADLINE, self.store.undo_attempt(job, batch)).await;
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

    /// Parses and checks the rows on the blocking pool. A batch that is given up has only rejections.
    async fn check(
        &self,
        message: &BatchMessage,
        rules: &Arc<JobRules>,
        mode: ApplyMode,
    ) -> Result<CheckedBatch, CheckError> {
        let (message, rules, codec) = (message.clone(), rules.clone(), self.codec.clone());
        let checking = self.tasks.blocking(move || {
            let records = codec.open(&message.message_id(), &message.payload).map_err(|error| error.to_string())?;
            failpoint!(blocking "batch_checked");
            let checked = check_records(&message, &rules, &records);
            if checked.row_count() != u64::from(message.rows) {
                return Err(format!("expected {} rows, found {}", message.rows, checked.row_count()));
            }
            Ok(if mode == ApplyMode::GiveUp { all_failed(&checked) } else { checked })
        });
        checking.await.map_err(|_| CheckError::Panicked)?.map_err(CheckError::Unusable)
    }

    /// Finishes the job if this was its last batch. The batch is committed: if this fails, the reconciler finishes the
    /// job.
    async fn finish_job(&self, job: JobId) {
        let finishing = self.store.finish_job_and_start_next(&*self.queue, job);
        match tokio::time::timeout(FINISH_JOB_DEADLINE, finishing).await {
            Ok(Ok(Some(finished))) => {
                self.metrics.finished(finished.state);
                tracing::info!(%job, state = finished.state.as_str(), "job finished");
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(%job, %error, "could not finish a job; the reconciler will"),
            Err(_) => tracing::warn!(%job, "finishing a job took too long; the reconciler will finish it"),
        }
    }
}

/// A checked batch that is being applied.
struct Attempt<'a> {
    processor: &'a Processor,
    message: &'a BatchMessage,
    rules: &'a JobRules,
    mode: ApplyMode,
    /// Shared with the store while it applies them.
    rows: Arc<CheckedBatch>,
    /// Whether `rows` has the password hashes of new users.
    hashed: bool,
}

impl Attempt<'_> {
    /// Applies the batch: retries while the database is unavailable, and falls back to the next mode each time
    /// the database rejects the batch.
    async fn apply_until_done(mut self, backoff: &mut Backoff) -> Verdict {
        let (job, batch) = (self.message.job, self.message.batch);
        loop {
            let error = match self.apply().await {
                Ok(applied) => return Verdict::Ack(self.complete(applied).await),
                Err(error) => error,
            };
            if error.is_transient() {
                tracing::warn!(%job, %batch, %error, "a batch is waiting for the database");
                self.processor.metrics.database_retries.add(1, &[]);
                if self.processor.shutdown.run_until_requested(backoff.wait()).await.is_none() {
                    return Verdict::Redeliver { count_attempt: false };
                }
            } else {
                tracing::warn!(%job, %batch, mode = ?self.mode, %error, "the database rejected a batch");
                let Some(mode) = self.mode.fallback() else { return Verdict::Reject(error.to_string()) };
                self.mode = mode;
                if mode == ApplyMode::GiveUp {
                    self.rows = Arc::new(all_failed(&self.rows));
                }
            }
        }
    }

    /// Hashes the passwords, unless an earlier try has, and commits the batch.
    async fn apply(&mut self) -> Result<Applied, StoreError> {
        if !self.hashed {
            // Copies nothing: the store has not seen the rows yet.
            let rows = Arc::make_mut(&mut self.rows);
            self.processor.passwords.hash(self.message, self.rules, rows).await?;
            self.hashed = true;
        }
        self.commit().await
    }

    /// Writes the batch in one transaction.
    async fn commit(&self) -> Result<Applied, StoreError> {
        let (message, rules) = (self.message, self.rules);
        let started = Instant::now();
        let span = tracing::info_span!("commit");
        let batch_to_apply = BatchToApply {
            tenant: rules.tenant,
            job: message.job,
            batch: message.batch,
            first_offset: message.first_offset,
            end_offset: message.end_offset,
            rows: self.rows.clone(),
            isolate_rows: self.mode == ApplyMode::EachRow,
            records_named_users: rules.blocks_missing,
        };
        let applying = self.processor.store.apply_batch(batch_to_apply).instrument(span.clone());
        let applied = applying.await.inspect_err(|_| context::fail(&span))?;
        drop(span);
        let elapsed = started.elapsed();
        self.processor.metrics.commit_seconds.record(elapsed, &[]);
        tracing::debug!(job = %message.job, batch = %message.batch, ?applied, ?elapsed, "transaction of a batch ended");
        Ok(applied)
    }

    /// Counts the applied batch, and finishes the job if this was its last batch.
    async fn complete(&self, applied: Applied) -> BatchResult {
        let (processor, message) = (self.processor, self.message);
        let (counts, result) = match applied {
            Applied::Committed(counts) => (counts, BatchResult::Applied),
            Applied::AlreadyApplied(counts) => (counts, BatchResult::AlreadyApplied),
            Applied::NotRunning => return BatchResult::NotRunning,
        };
        record_counts(&counts);
        if result == BatchResult::Applied {
            processor.metrics.rows(&counts);
        }
        failpoint!("batch_applied");
        let bytes = message.end_offset - message.first_offset;
        processor.counter_updates.enqueue(message.job, message.batch, counts, bytes);
        failpoint!("batch_counted");
        processor.finish_job(message.job).await;
        result
    }
}
