//! Accepting and deleting jobs, and asking for their end.

use async_trait::async_trait;
use muster_domain::{CharsetSource, ExceededQuota, JobId, JobState, QuotaUsage, TenantId};
use muster_ports::{Cancellation, CreatedJob, Creation, Deletion, FinishedJob, Idempotency, Jobs, NewJob, StoreError};
use muster_runtime::failpoint;
use muster_sql::{jobs as stored, tenants};
use rusqlite::{Connection, OptionalExtension, params};

use super::finish::{Step, complete_stop, finish, first_unfinished};
use crate::connection::row::decode;
use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Jobs for SqliteStore {
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError> {
        self.write(move |db| {
            if let Some(idempotency) = &job.idempotency
                && let Some(known) = find_keyed(db, &job, idempotency)?
            {
                return Ok(known);
            }
            if let Some(exceeded) = take_quotas(db, &job)? {
                return Ok(Creation::QuotaExceeded(exceeded));
            }
            let values = params![
                job.tenant.0,
                job.dialect.as_str(),
                job.handling.as_str(),
                job.raw.key,
                job.raw.bytes.cast_signed(),
                job.raw.sha256,
                job.raw.compression.as_str(),
                stored::titles_json(&job.titles),
                stored::cut_rules_json(&job.cut),
                job.cut.version,
                job.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()),
                job.raw.format.as_str(),
                job.raw.charset.as_str(),
                job.blocks_missing_users,
                job.raw.charset_source.map(CharsetSource::as_str),
                stored::titles_json(&job.ignored_keys),
                job.raw.sheet
            ];
            let id = JobId(db.query_row(sql::CREATE_JOB, values, |row| row.get(0))?);
            Ok(Creation::New(CreatedJob { id, can_start: first_unfinished(db, job.tenant)? == Some(id) }))
        })
        .await
    }

    async fn quota_usage(&self, tenant: TenantId) -> Result<QuotaUsage, StoreError> {
        self.read(move |db| quota_usage(db, tenant)).await
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
            // The reconciler removes the ledger and the rejections, which may be millions of rows.
            for statement in [sql::RECORD_DELETION, sql::DELETE_JOB] {
                db.execute(statement, params![tenant.0, job.0])?;
            }
            db.execute(sql::DELETE_ATTEMPTS, [job.0])?;
            Ok(Deletion::Deleted { raw_key, next: first_unfinished(db, tenant)? })
        })
        .await
    }

    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError> {
        self.write(move |db| db.execute(sql::CANCEL_JOB, params![tenant.0, job.0]).map(drop)).await?;
        let now = self.write(move |db| complete_stop(db, tenant, job)).await?.is_some();
        self.write(move |db| {
            let read = decode(|row| stored::job_state(row, "state"));
            match db.query_row(sql::JOB_STATE, params![tenant.0, job.0], read).optional()? {
                None => Ok(Cancellation::Unknown),
                Some(JobState::Canceled) => Ok(Cancellation::Canceled { now, next: first_unfinished(db, tenant)? }),
                Some(state) => Ok(Cancellation::Final(state)),
            }
        })
        .await
    }

    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        loop {
            match self.write(move |db| finish(db, job)).await? {
                Step::End(finished) => {
                    if finished.is_some() {
                        self.signals.notify(job);
                    }
                    return Ok(finished);
                }
                Step::MissingUsersRemain => {
                    failpoint!("missing_piece_blocked");
                }
            }
        }
    }
}

/// Counts a new job against the quotas of its tenant, or returns the one that it would exceed.
fn take_quotas(db: &Connection, job: &NewJob) -> rusqlite::Result<Option<ExceededQuota>> {
    if job.quotas.allow_all_uploads() {
        return Ok(None);
    }
    let exceeded = job.quotas.exceeded_by(quota_usage(db, job.tenant)?, job.raw.bytes);
    if exceeded.is_none() && job.quotas.uploads_per_day.is_some() {
        db.execute(sql::COUNT_UPLOAD, [job.tenant.0])?;
    }
    Ok(exceeded)
}

fn quota_usage(db: &Connection, tenant: TenantId) -> rusqlite::Result<QuotaUsage> {
    db.query_row(sql::QUOTA_USAGE, [tenant.0], decode(|row| tenants::quota_usage(row)))
}

/// The job that has the idempotency key of a new one; `None` if the key is free.
fn find_keyed(db: &Connection, job: &NewJob, idempotency: &Idempotency) -> rusqlite::Result<Option<Creation>> {
    let (tenant, key) = (job.tenant.0, idempotency.key.as_str());
    let lifetime_ms = i64::try_from(idempotency.key_lifetime.as_millis()).unwrap_or(i64::MAX);
    db.execute(sql::RELEASE_IDEMPOTENCY_KEY, params![tenant, key, lifetime_ms])?;
    let values =
        params![tenant, key, job.raw.sha256, job.raw.compression.as_str(), job.dialect.as_str(), job.handling.as_str()];
    let found = |row: &rusqlite::Row<'_>| {
        let id = JobId(row.get(0)?);
        Ok(if row.get(1)? { Creation::Existing(id) } else { Creation::KeyReused })
    };
    db.query_row(sql::FIND_KEYED_JOB, values, found).optional()
}
