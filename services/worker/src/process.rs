//! The way of one batch: read, check, apply, count, finish, acknowledge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_domain::{BatchNo, CheckedBatch, JobId};
use muster_messages::{BatchMessage, PayloadCodec};
use muster_ports::{Applied, BatchToApply, Delivery, JobRules, Queue, Store, StoreError, finish_and_ring};
use muster_runtime::{Backoff, Shutdown, Tasks, failpoint};
use muster_telemetry::context;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::Instant;
use tracing::field::display;
use tracing::{Instrument, Span};

use crate::WorkerMetrics;
use crate::care::{ALONE_ATTEMPTS, Care};
use crate::check::{all_failed, check_records, unread};
use crate::counting::Counting;
use crate::metrics::Outcome;
use crate::passwords::Passwords;
use crate::rules::RulesCache;
use crate::span::{batch_span, describe, record_counts};

/// How long a worker that is stopped by force tries to take back the note of an attempt.
const TAKE_BACK_DEADLINE: Duration = Duration::from_secs(1);

pub(crate) struct Processor {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) rules: RulesCache,
    pub(crate) counting: Counting,
    pub(crate) passwords: Passwords,
    pub(crate) codec: Arc<PayloadCodec>,
    pub(crate) metrics: WorkerMetrics,
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    /// Shared by running batches; held by one that runs alone.
    pub(crate) together: RwLock<()>,
}

/// The place among the running batches of the process: shared, or for one batch alone.
enum Place<'a> {
    Together { _guard: RwLockReadGuard<'a, ()> },
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

/// Why the way of a batch ends before it is applied.
enum Early {
    /// The service stops.
    Stopping,
    /// The database refuses the question.
    Refused(StoreError),
}

impl From<Early> for Verdict {
    fn from(early: Early) -> Self {
        match early {
            Early::Stopping => Self::Leave,
            Early::Refused(error) => Self::Reject(error.to_string()),
        }
    }
}

/// What to do with a delivery.
enum Verdict {
    Ack(Outcome),
    Reject(String),
    /// Leave it: it comes again, here or elsewhere.
    Leave,
    /// The same, and the attempt counts.
    Again,
}

/// Why the rows of a batch are not known.
enum Unchecked {
    /// The message cannot be used.
    Unusable(String),
    /// A fault of ours, beyond that of a single row.
    Panicked,
}

impl Processor {
    /// Processes a delivery and settles it.
    pub(crate) async fn process(&self, delivery: Delivery) {
        let (_running, started) = (self.metrics.batches_running.enter(), Instant::now());
        let span = batch_span();
        context::follow(&span, |name| delivery.envelope().find_header(name));
        let outcome = self.process_and_settle(delivery).instrument(span.clone()).await;
        span.record("outcome", outcome.as_str());
        if outcome == Outcome::Rejected {
            context::fail(&span);
        }
        self.metrics.batch(outcome);
        self.metrics.batch_seconds.record(started.elapsed(), &[]);
    }

    async fn process_and_settle(&self, delivery: Delivery) -> Outcome {
        let verdict = match BatchMessage::try_from(delivery.envelope()) {
            Ok(message) => {
                describe(&message);
                let (job, batch, noted) = (message.job, message.batch, AtomicBool::new(false));
                let verdict = tokio::select! {
                    // In this order: a batch that waits must not take the place of one that was broken off.
                    biased;
                    () = self.shutdown.forced() => Verdict::Leave,
                    verdict = self.process_batch(message, delivery.is_redelivered(), &noted) => verdict,
                };
                if matches!(verdict, Verdict::Leave) && noted.load(Ordering::Relaxed) {
                    self.take_back(job, batch).await;
                }
                verdict
            }
            Err(error) => Verdict::Reject(error.to_string()),
        };
        failpoint!("batch_settled");
        match verdict {
            Verdict::Ack(outcome) => {
                delivery.ack().await;
                outcome
            }
            Verdict::Reject(reason) => {
                tracing::warn!(reason, "a message on a batch queue cannot be used");
                delivery.reject(&reason).await;
                Outcome::Rejected
            }
            Verdict::Leave | Verdict::Again => {
                drop(delivery);
                Outcome::GivenBack
            }
        }
    }

    async fn process_batch(&self, message: BatchMessage, redelivered: bool, noted: &AtomicBool) -> Verdict {
        let mut backoff = Backoff::reconnect();
        let rules = match self.patiently(&mut backoff, || self.rules.get(message.job)).await {
            Ok(Some(rules)) => rules,
            Ok(None) => {
                tracing::debug!(job = %message.job, batch = %message.batch, "a batch of a deleted job is dropped");
                return Verdict::Ack(Outcome::NotRunning);
            }
            Err(early) => return early.into(),
        };
        Span::current().record("tenant", display(rules.tenant));
        let (_place, care) = match self.begin(&message, redelivered, noted, &mut backoff).await {
            Ok(begun) => begun,
            Err(early) => return early.into(),
        };
        self.apply_until_done(&message, &rules, &mut backoff, care).await
    }

    /// Waits for a place among the running batches, and notes the attempt of a redelivered batch: after
    /// the wait, so that a worker that dies meanwhile does not count, and before the body is touched,
    /// because a body may kill its worker.
    async fn begin(
        &self,
        message: &BatchMessage,
        redelivered: bool,
        noted: &AtomicBool,
        backoff: &mut Backoff,
    ) -> Result<(Place<'_>, Care), Early> {
        if !redelivered {
            return Ok((Place::Together { _guard: self.together.read().await }, Care::AllRows));
        }
        let (job, batch) = (message.job, message.batch);
        let before = self.patiently(backoff, || self.store.count_attempts(job, batch)).await?;
        let place = if before + 1 >= ALONE_ATTEMPTS {
            Place::Alone { _guard: self.together.write().await }
        } else {
            Place::Together { _guard: self.together.read().await }
        };
        let attempts = self.patiently(backoff, || self.store.record_attempt(job, batch)).await?;
        noted.store(true, Ordering::Relaxed);
        Ok((place, Care::after(attempts)))
    }

    /// A batch that its worker leaves because it must stop is not at fault.
    async fn take_back(&self, job: JobId, batch: BatchNo) {
        let taken = tokio::time::timeout(TAKE_BACK_DEADLINE, self.store.forget_attempt(job, batch)).await;
        if !matches!(taken, Ok(Ok(()))) {
            tracing::warn!(%job, %batch, "the attempt at a batch that was broken off counts");
        }
    }

    /// Applies a batch, with more care each time the database refuses it, and again and again while
    /// the database is away.
    async fn apply_until_done(
        &self,
        message: &BatchMessage,
        rules: &Arc<JobRules>,
        backoff: &mut Backoff,
        mut care: Care,
    ) -> Verdict {
        loop {
            let rows = match self.check(message, rules, care).await {
                Ok(rows) => rows,
                Err(Unchecked::Unusable(reason)) => return Verdict::Reject(reason),
                Err(Unchecked::Panicked) if care == Care::GiveUp => unread(message, rules.dialect),
                Err(Unchecked::Panicked) => {
                    tracing::error!(job = %message.job, batch = %message.batch, "the rows of a batch cannot be checked");
                    return Verdict::Again;
                }
            };
            let applied = match self.passwords.hash(message, rules, rows).await {
                Ok(rows) => self.apply(message, rules, rows, care).await,
                Err(error) => Err(error),
            };
            match applied {
                Ok(outcome) => return Verdict::Ack(outcome),
                Err(error) if error.is_transient() => {
                    tracing::warn!(job = %message.job, batch = %message.batch, %error, "a batch waits for the database");
                    self.metrics.database_retries.add(1, &[]);
                    if self.shutdown.unless_begun(backoff.wait()).await.is_none() {
                        return Verdict::Leave;
                    }
                }
                Err(error) => {
                    tracing::warn!(job = %message.job, batch = %message.batch, ?care, %error, "a batch was refused");
                    match care {
                        Care::AllRows => care = Care::EachRow,
                        Care::EachRow => care = Care::GiveUp,
                        Care::GiveUp => return Verdict::Reject(error.to_string()),
                    }
                }
            }
        }
    }

    /// Calls the database until it answers, or the service stops.
    async fn patiently<T, F>(&self, backoff: &mut Backoff, call: impl Fn() -> F) -> Result<T, Early>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match call().await {
                Err(error) if error.is_transient() => {
                    tracing::debug!(%error, "the database is not available; trying again");
                    self.metrics.database_retries.add(1, &[]);
                    self.shutdown.unless_begun(backoff.wait()).await.ok_or(Early::Stopping)?;
                }
                result => {
                    backoff.reset();
                    return result.map_err(Early::Refused);
                }
            }
        }
    }

    /// Parses and checks the rows on the blocking pool. A batch that is given up has only failures.
    async fn check(
        &self,
        message: &BatchMessage,
        rules: &Arc<JobRules>,
        care: Care,
    ) -> Result<CheckedBatch, Unchecked> {
        let (message, rules, codec) = (message.clone(), rules.clone(), self.codec.clone());
        let checking = self.tasks.blocking(move || {
            let records = codec.open(&message.message_id(), &message.payload).map_err(|error| error.to_string())?;
            failpoint!(blocking "batch_checked");
            let checked = check_records(&message, &rules, &records);
            if checked.row_count() != u64::from(message.rows) {
                return Err(format!("expected {} rows, found {}", message.rows, checked.row_count()));
            }
            Ok(if care == Care::GiveUp { all_failed(&checked) } else { checked })
        });
        checking.await.map_err(|_| Unchecked::Panicked)?.map_err(Unchecked::Unusable)
    }

    async fn apply(
        &self,
        message: &BatchMessage,
        rules: &JobRules,
        rows: CheckedBatch,
        care: Care,
    ) -> Result<Outcome, StoreError> {
        let (job, batch) = (message.job, message.batch);
        let started = Instant::now();
        let span = tracing::info_span!("commit");
        let batch_to_apply = BatchToApply {
            tenant: rules.tenant,
            job,
            batch,
            first_offset: message.first_offset,
            end_offset: message.end_offset,
            rows,
            isolate_rows: care == Care::EachRow,
            notes_named: rules.blocks_missing,
        };
        let applying = self.store.apply_batch(batch_to_apply).instrument(span.clone());
        let applied = applying.await.inspect_err(|_| context::fail(&span))?;
        drop(span);
        self.metrics.commit_seconds.record(started.elapsed(), &[]);
        Ok(match applied {
            Applied::Now(counts) | Applied::Before(counts) => {
                let before = matches!(applied, Applied::Before(_));
                record_counts(&counts);
                if !before {
                    self.metrics.rows(&counts);
                }
                tracing::debug!(%job, %batch, rows = counts.rows(), before, elapsed = ?started.elapsed(), "batch applied");
                failpoint!("batch_applied");
                self.counting.count(job, batch, counts, message.end_offset - message.first_offset);
                failpoint!("batch_counted");
                self.finish(job).await;
                if before { Outcome::Before } else { Outcome::Applied }
            }
            Applied::NotRunning => {
                tracing::debug!(%job, %batch, "a batch of a job that is not running is dropped");
                Outcome::NotRunning
            }
        })
    }

    /// The batch is committed: whatever happens here, the reconciler finishes the job otherwise.
    async fn finish(&self, job: JobId) {
        let finishing = finish_and_ring(&*self.store, &*self.queue, job);
        match tokio::time::timeout(Duration::from_secs(30), finishing).await {
            Ok(Ok(Some(finished))) => {
                self.metrics.finished(finished.state);
                tracing::info!(%job, state = finished.state.as_str(), "job finished");
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::warn!(%job, %error, "a job could not be finished; the reconciler will"),
            Err(_) => tracing::warn!(%job, "finishing a job took too long; the reconciler will"),
        }
    }
}
