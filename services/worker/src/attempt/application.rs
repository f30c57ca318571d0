//! The second half of an attempt: hashes the passwords of a checked batch and commits it.

use std::sync::Arc;

use muster_domain::CheckedBatch;
use muster_messages::BatchMessage;
use muster_ports::{Applied, BatchStatus, BatchToApply, JobRules, Publication, QueueName, StoreError};
use muster_runtime::Backoff;
use muster_telemetry::context;
use tokio::time::Instant;
use tracing::Instrument;

use super::apply_mode::ApplyMode;
use super::{Processor, Verdict};
use crate::metrics::BatchResult;
use crate::slot::Slot;

/// Maximum number of passwords that are hashed outside of the slow lane.
const MAX_PASSWORDS_OUTSIDE_SLOW_LANE: usize = 16;

/// An attempt whose batch is checked.
pub(super) struct Application<'a> {
    pub(super) processor: &'a Processor,
    pub(super) message: &'a BatchMessage,
    pub(super) rules: &'a JobRules,
    pub(super) lane: QueueName,
    pub(super) published_ms: Option<i64>,
    pub(super) slot: &'a mut Slot,
    pub(super) mode: ApplyMode,
    /// Shared with the store while it applies them.
    pub(super) rows: Arc<CheckedBatch>,
    /// Whether `rows` has the password hashes of new users.
    pub(super) passwords_hashed: bool,
}

impl Application<'_> {
    /// Applies the batch, waiting as long as the database is unavailable or needs repair.
    pub(super) async fn apply_until_done(mut self, backoff: &mut Backoff) -> Verdict {
        let (job, batch) = (self.message.job, self.message.batch);
        loop {
            let error = match self.apply().await {
                Ok(verdict) => return verdict,
                Err(error) => error,
            };
            // The values of some row, which the rules of Muster accept and the database does not: find the row.
            if !error.is_transient() && self.mode == ApplyMode::AllRows {
                tracing::warn!(%job, %batch, %error, "the database rejected a batch; it is applied row by row");
                self.mode = ApplyMode::EachRow;
                continue;
            }
            // Whatever else is wrong is wrong with the database. Rows never fail for that: the batch waits.
            tracing::warn!(%job, %batch, %error, "a batch is waiting for the database");
            self.processor.metrics.database_retries.add(1, &[]);
            if self.processor.shutdown.run_until_requested(backoff.wait()).await.is_none() {
                return Verdict::Redeliver { count_attempt: false };
            }
        }
    }

    /// Hashes the passwords, unless that is done, and commits the batch.
    async fn apply(&mut self) -> Result<Verdict, StoreError> {
        if !self.passwords_hashed
            && let Some(verdict) = self.hash_passwords().await?
        {
            return Ok(verdict);
        }
        self.passwords_hashed = true;
        let applied = self.commit().await?;
        Ok(Verdict::Ack(self.processor.complete(self.message, applied).await))
    }

    /// Hashes the passwords of new users. Returns a verdict if the batch is not to be applied here.
    async fn hash_passwords(&mut self) -> Result<Option<Verdict>, StoreError> {
        let passwords = self.processor.passwords.find_new(self.message, self.rules, &self.rows).await?;
        if passwords.is_empty() {
            return Ok(None);
        }
        if self.lane != QueueName::BatchSlow && passwords.len() > MAX_PASSWORDS_OUTSIDE_SLOW_LANE {
            return Ok(Some(Verdict::MoveToSlowLane));
        }
        if !self.processor.store.take_password_quota(self.rules.tenant, passwords.len() as u64).await? {
            // Not held here, where it would keep batches of other tenants waiting. The reconciler finds that it is
            // missing and publishes it again, at intervals of up to ten minutes.
            let (job, batch) = (self.message.job, self.message.batch);
            tracing::info!(%job, %batch, "the quota of new passwords of this hour is used up; the batch is postponed");
            return Ok(Some(Verdict::Ack(BatchResult::Postponed)));
        }
        // This does not clone the rows: the store does not share them yet.
        let rows = Arc::make_mut(&mut self.rows);
        let hashing = self.processor.passwords.hash(self.message, rows, passwords);
        match self.slot.leave_during(hashing).await? {
            BatchStatus::Open => Ok(None),
            status => Ok(Some(Verdict::Ack(self.processor.skip(self.message, status).await))),
        }
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
            row_by_row: self.mode == ApplyMode::EachRow,
            records_named_users: rules.blocks_missing_users,
            publication: self.published_ms.map(|published_ms| Publication { queue: self.lane, published_ms }),
        };
        let applying = self.processor.store.apply_batch(batch_to_apply).instrument(span.clone());
        let applied = applying.await.inspect_err(|_| context::fail(&span))?;
        drop(span);
        let elapsed = started.elapsed();
        self.processor.metrics.commit_seconds.record(elapsed, &[]);
        tracing::debug!(job = %message.job, batch = %message.batch, ?applied, ?elapsed, "transaction of a batch ended");
        Ok(applied)
    }
}
