//! Accepting, finishing and deleting jobs.

use async_trait::async_trait;
use muster_domain::missing::{Missing, may_be_told};
use muster_domain::{JobId, JobState, TenantId};
use muster_ports::{
    Cancellation, CreatedJob, Creation, Deletion, FinishedJob, Idempotency, Jobs, NewJob, StoreError, Upkeep,
};
use muster_runtime::failpoint;
use rusqlite::{Connection, OptionalExtension, params};

use crate::missing;
use crate::reports::ledger_sums;
use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Jobs for SqliteStore {
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError> {
        let titles = serde_json::to_string(&job.titles).map_err(|_| StoreError::Unreadable("the titles of a job"))?;
        let cut = serde_json::to_string(&job.cut).map_err(|_| StoreError::Unreadable("the cut rules of a job"))?;
        self.write(move |db| {
            if let Some(idempotency) = &job.idempotency
                && let Some(known) = find_keyed(db, &job, idempotency)?
            {
                return Ok(known);
            }
            let values = params![
                job.tenant.0,
                job.dialect.as_str(),
                job.handling.as_str(),
                job.raw.key,
                job.raw.bytes.cast_signed(),
                job.raw.sha256,
                job.raw.encoding,
                titles,
                cut,
                job.cut.version,
                job.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()),
                job.raw.format.as_str(),
                job.raw.charset.as_str(),
                job.blocks_missing
            ];
            let id = JobId(db.query_row(sql::CREATE_JOB, values, |row| row.get(0))?);
            Ok(Creation::New(CreatedJob { id, may_begin: first_unfinished(db, job.tenant)? == Some(id) }))
        })
        .await
    }

    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError> {
        self.write(move |db| {
            let found: Option<(String, String)> = db
                .query_row(sql::LOCK_JOB, params![tenant.0, job.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((state, raw_key)) = found else { return Ok(Deletion::Unknown) };
            if state == JobState::Processing.as_str() {
                return Ok(Deletion::Processing);
            }
            for statement in [sql::DELETE_REJECTIONS, sql::DELETE_LEDGER, sql::DELETE_JOB] {
                db.execute(statement, params![tenant.0, job.0])?;
            }
            db.execute(sql::DELETE_ATTEMPTS, [job.0])?;
            Ok(Deletion::Deleted { raw_key, next: first_unfinished(db, tenant)? })
        })
        .await
    }

    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError> {
        self.write(move |db| db.execute(sql::CANCEL_JOB, params![tenant.0, job.0]).map(drop)).await?;
        self.complete_stops().await?;
        self.write(move |db| {
            let state: Option<String> =
                db.query_row(sql::JOB_STATE, params![tenant.0, job.0], |row| row.get(0)).optional()?;
            match state.as_deref().and_then(JobState::parse) {
                None => Ok(Cancellation::Unknown),
                Some(JobState::Canceled) => Ok(Cancellation::Canceled { next: first_unfinished(db, tenant)? }),
                Some(state) => Ok(Cancellation::Final(state)),
            }
        })
        .await
    }

    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        let finished = self.write(move |db| finish(db, job)).await?;
        if finished.is_some() {
            // Nobody waiting is no error.
            let _ = self.signals.send(job);
        }
        Ok(finished)
    }
}

/// The job that has the key of a new one; nothing if the key is free.
fn find_keyed(db: &Connection, job: &NewJob, idempotency: &Idempotency) -> rusqlite::Result<Option<Creation>> {
    let (tenant, key) = (job.tenant.0, idempotency.key.as_str());
    let kept_ms = i64::try_from(idempotency.kept.as_millis()).unwrap_or(i64::MAX);
    db.execute(sql::RELEASE_KEY, params![tenant, key, kept_ms])?;
    let values = params![tenant, key, job.raw.sha256, job.raw.encoding, job.dialect.as_str(), job.handling.as_str()];
    let found = |row: &rusqlite::Row<'_>| {
        let id = JobId(row.get(0)?);
        Ok(if row.get(1)? { Creation::Known(id) } else { Creation::KeyReused })
    };
    db.query_row(sql::FIND_KEYED_JOB, values, found).optional()
}

fn first_unfinished(db: &Connection, tenant: TenantId) -> rusqlite::Result<Option<JobId>> {
    let id: Option<i64> = db.prepare_cached(sql::FIRST_UNFINISHED)?.query_row([tenant.0], |row| row.get(0))?;
    Ok(id.map(JobId))
}

/// Ends a job whose stop was begun.
pub(crate) fn complete_stop(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<Option<FinishedJob>> {
    let counts = ledger_sums(db, tenant, job)?.totals.counts;
    let values = params![
        tenant.0,
        job.0,
        counts.created.cast_signed(),
        counts.updated.cast_signed(),
        counts.unchanged.cast_signed(),
        counts.failed.cast_signed(),
        counts.warnings.cast_signed(),
        counts.blocked.cast_signed(),
        counts.unblocked.cast_signed()
    ];
    let state: Option<String> = db.query_row(sql::STOP_JOB, values, |row| row.get(0)).optional()?;
    let Some(state) = state.as_deref().and_then(JobState::parse) else { return Ok(None) };
    Ok(Some(FinishedJob { state, counts, next: first_unfinished(db, tenant)? }))
}

fn finish(db: &Connection, job: JobId) -> rusqlite::Result<Option<FinishedJob>> {
    let complete: Option<(i64, i64, i64, bool, bool)> = db
        .prepare_cached(sql::COMPLETENESS)?
        .query_row([job.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((tenant, batches, bytes, unreadable, blocks_missing)) = complete else { return Ok(None) };
    let tenant = TenantId(tenant);
    let sums = ledger_sums(db, tenant, job)?;
    let covers_the_file = sums.batches == 0 || (sums.joins && sums.end_offset == bytes);
    if sums.batches != batches || !covers_the_file {
        tracing::error!(%job, "the ledger has all batches but not the whole file; the job waits for repair");
        return Ok(None);
    }
    let mut counts = sums.totals.counts;
    let missing = if blocks_missing && !unreadable && may_be_told(&counts, sums.unnamed) {
        missing::block(db, tenant, job, batches, bytes)?
    } else {
        Missing::default()
    };
    failpoint!(blocking "missing_blocked");
    counts.blocked += missing.blocked;
    let state = JobState::of_finished(&counts, unreadable);
    let values = params![
        tenant.0,
        job.0,
        state.as_str(),
        counts.created.cast_signed(),
        counts.updated.cast_signed(),
        counts.unchanged.cast_signed(),
        counts.failed.cast_signed(),
        counts.warnings.cast_signed(),
        counts.blocked.cast_signed(),
        counts.unblocked.cast_signed(),
        missing.kept.map(u64::cast_signed)
    ];
    if db.execute(sql::FINISH_JOB, values)? == 0 {
        return Ok(None);
    }
    if blocks_missing {
        db.execute(sql::FORGET_NAMED, params![tenant.0, job.0])?;
    }
    Ok(Some(FinishedJob { state, counts, next: first_unfinished(db, tenant)? }))
}
