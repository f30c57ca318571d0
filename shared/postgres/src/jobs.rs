//! Accepting, finishing and deleting jobs.

use async_trait::async_trait;
use muster_domain::missing::{Missing, may_be_told};
use muster_domain::{Counts, JobId, JobState, TenantId};
use muster_ports::{
    Cancellation, CreatedJob, Creation, Deletion, FinishedJob, Idempotency, Jobs, NewJob, StoreError, Upkeep,
};
use muster_runtime::failpoint;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::apply::moved;
use crate::missing;
use crate::reports::{LedgerSums, ledger_sums};
use crate::sql;
use crate::store::{PostgresStore, ask};
use crate::transaction::{self, Work};

#[async_trait]
impl Jobs for PostgresStore {
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError> {
        let pool = self.pool.clone();
        self.tasks
            .spawn("create job", async move { transaction::run_once(&pool, Create(job)).await })
            .await
            .map_err(aborted)?
    }

    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError> {
        let pool = self.pool.clone();
        self.tasks
            .spawn("delete job", async move { transaction::run_once(&pool, Delete { tenant, job }).await })
            .await
            .map_err(aborted)?
    }

    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError> {
        ask!(self, connection => sqlx::query(sql::CANCEL_JOB).bind(tenant.0).bind(job.0).execute(connection))?;
        failpoint!("stop_begun");
        self.complete_stops().await?;
        let state: Option<String> = ask!(self, connection => sqlx::query_scalar(sql::JOB_STATE).bind(tenant.0).bind(job.0).fetch_optional(connection))?;
        match state.as_deref().and_then(JobState::parse) {
            None => Ok(Cancellation::Unknown),
            Some(JobState::Canceled) => {
                let next: Option<i64> = ask!(self, connection => sqlx::query_scalar(sql::FIRST_UNFINISHED).bind(tenant.0).fetch_one(connection))?;
                Ok(Cancellation::Canceled { next: next.map(JobId) })
            }
            Some(state) => Ok(Cancellation::Final(state)),
        }
    }

    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        let complete: Option<(i64, i32, i64, bool, bool)> =
            ask!(self, connection => sqlx::query_as(sql::COMPLETENESS).bind(job.0).fetch_optional(connection))?;
        let Some((tenant, batches, bytes, unreadable, blocks_missing)) = complete else { return Ok(None) };
        failpoint!("job_complete");
        let pool = self.pool.clone();
        let finish = Finish { tenant: TenantId(tenant), job, batches, bytes, unreadable, blocks_missing };
        self.tasks
            .spawn("finish job", async move { transaction::run_once(&pool, finish).await })
            .await
            .map_err(aborted)?
    }
}

/// A task of the store can only be gone because it panicked or the process is going down.
pub(crate) fn aborted(error: tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable(Some(Box::new(error)))
}

struct Create(NewJob);

impl Work for Create {
    type Output = Creation;

    async fn run(self, connection: &mut PgConnection) -> Result<Creation, sqlx::Error> {
        let Self(job) = self;
        sqlx::query(sql::LOCK_TENANT).bind(job.tenant.0).fetch_one(&mut *connection).await?;
        if let Some(idempotency) = &job.idempotency
            && let Some(known) = find_keyed(connection, &job, idempotency).await?
        {
            return Ok(known);
        }
        let titles = serde_json::to_string(&job.titles).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let cut = serde_json::to_string(&job.cut).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let id: i64 = sqlx::query_scalar(sql::CREATE_JOB)
            .bind(job.tenant.0)
            .bind(job.dialect.as_str())
            .bind(job.handling.as_str())
            .bind(&job.raw.key)
            .bind(job.raw.bytes.cast_signed())
            .bind(job.raw.sha256.as_slice())
            .bind(&job.raw.encoding)
            .bind(titles)
            .bind(cut)
            .bind(job.cut.version.cast_signed())
            .bind(job.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()))
            .bind(job.raw.format.as_str())
            .bind(job.raw.charset.as_str())
            .bind(job.blocks_missing)
            .fetch_one(&mut *connection)
            .await?;
        let first = first_unfinished(connection, job.tenant).await?;
        Ok(Creation::New(CreatedJob { id: JobId(id), may_begin: first == Some(JobId(id)) }))
    }
}

/// The job that has the key of a new one; nothing if the key is free. The tenant is locked: no other
/// upload can take the key meanwhile.
async fn find_keyed(
    connection: &mut PgConnection,
    job: &NewJob,
    idempotency: &Idempotency,
) -> Result<Option<Creation>, sqlx::Error> {
    let (tenant, key) = (job.tenant.0, idempotency.key.as_str());
    let kept_ms = i64::try_from(idempotency.kept.as_millis()).unwrap_or(i64::MAX);
    sqlx::query(sql::RELEASE_KEY).bind(tenant).bind(key).bind(kept_ms).execute(&mut *connection).await?;
    let found: Option<(i64, bool)> = sqlx::query_as(sql::FIND_KEYED_JOB)
        .bind(tenant)
        .bind(key)
        .bind(job.raw.sha256.as_slice())
        .bind(&job.raw.encoding)
        .bind(job.dialect.as_str())
        .bind(job.handling.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(id, same)| if same { Creation::Known(JobId(id)) } else { Creation::KeyReused }))
}

async fn first_unfinished(connection: &mut PgConnection, tenant: TenantId) -> Result<Option<JobId>, sqlx::Error> {
    let id: Option<i64> = sqlx::query_scalar(sql::FIRST_UNFINISHED).bind(tenant.0).fetch_one(connection).await?;
    Ok(id.map(JobId))
}

struct Delete {
    tenant: TenantId,
    job: JobId,
}

impl Work for Delete {
    type Output = Deletion;

    async fn run(self, connection: &mut PgConnection) -> Result<Deletion, sqlx::Error> {
        let (tenant, job) = (self.tenant.0, self.job.0);
        // Looked at before it is locked: an exclusive lock would wait behind the workers' shared ones.
        let state: Option<String> =
            sqlx::query_scalar(sql::JOB_STATE).bind(tenant).bind(job).fetch_optional(&mut *connection).await?;
        if state.as_deref() == Some(JobState::Processing.as_str()) {
            return Ok(Deletion::Processing);
        }
        let row = sqlx::query(sql::LOCK_JOB).bind(tenant).bind(job).fetch_optional(&mut *connection).await?;
        let Some(row) = row else { return Ok(Deletion::Unknown) };
        if row.try_get::<&str, _>(0)? == JobState::Processing.as_str() {
            return Ok(Deletion::Processing);
        }
        let raw_key = row.try_get(1)?;
        for statement in [sql::DELETE_REJECTIONS, sql::DELETE_LEDGER, sql::DELETE_JOB] {
            sqlx::query(statement).bind(tenant).bind(job).execute(&mut *connection).await?;
        }
        sqlx::query(sql::DELETE_ATTEMPTS).bind(job).execute(&mut *connection).await?;
        Ok(Deletion::Deleted { raw_key, next: first_unfinished(connection, self.tenant).await? })
    }
}

struct Finish {
    tenant: TenantId,
    job: JobId,
    batches: i32,
    bytes: i64,
    unreadable: bool,
    blocks_missing: bool,
}

impl Work for Finish {
    type Output = Option<FinishedJob>;

    async fn run(self, connection: &mut PgConnection) -> Result<Option<FinishedJob>, sqlx::Error> {
        let sums = ledger_sums(&mut *connection, self.tenant, self.job).await?;
        if !self.is_complete(&sums) {
            tracing::error!(job = %self.job, "the ledger has all batches but not the whole file; the job waits for repair");
            return Ok(None);
        }
        let mut counts: Counts = sums.totals.counts;
        let missing = if self.blocks_missing && !self.unreadable && may_be_told(&counts, sums.unnamed) {
            match missing::block(connection, self.tenant, self.job, self.batches, self.bytes).await? {
                Some(missing) => missing,
                None => return Ok(None),
            }
        } else {
            Missing::default()
        };
        failpoint!("missing_blocked");
        counts.blocked += missing.blocked;
        let state = JobState::of_finished(&counts, self.unreadable);
        let done = sqlx::query(sql::FINISH_JOB)
            .bind(self.tenant.0)
            .bind(self.job.0)
            .bind(state.as_str())
            .bind(counts.created.cast_signed())
            .bind(counts.updated.cast_signed())
            .bind(counts.unchanged.cast_signed())
            .bind(counts.failed.cast_signed())
            .bind(counts.warnings.cast_signed())
            .bind(counts.blocked.cast_signed())
            .bind(counts.unblocked.cast_signed())
            .bind(missing.kept.map(u64::cast_signed))
            .execute(&mut *connection)
            .await?;
        if done.rows_affected() == 0 {
            // The job is being stopped. Missing users, if any were blocked here, must not stay so.
            return if self.blocks_missing { Err(moved()) } else { Ok(None) };
        }
        if self.blocks_missing {
            sqlx::query(sql::FORGET_NAMED).bind(self.tenant.0).bind(self.job.0).execute(&mut *connection).await?;
        }
        let next = first_unfinished(connection, self.tenant).await?;
        sqlx::query(sql::NOTIFY_JOB).bind(self.job.to_string()).execute(&mut *connection).await?;
        Ok(Some(FinishedJob { state, counts, next }))
    }
}

/// Ends a job whose stop was begun. Waits for batches that are being applied; new ones see the stop.
pub(crate) struct CompleteStop {
    pub(crate) tenant: TenantId,
    pub(crate) job: JobId,
}

impl Work for CompleteStop {
    type Output = Option<FinishedJob>;

    async fn run(self, connection: &mut PgConnection) -> Result<Option<FinishedJob>, sqlx::Error> {
        let (tenant, job) = (self.tenant.0, self.job.0);
        sqlx::query(sql::LOCK_JOB).bind(tenant).bind(job).fetch_optional(&mut *connection).await?;
        let counts = ledger_sums(&mut *connection, self.tenant, self.job).await?.totals.counts;
        let state: Option<String> = sqlx::query_scalar(sql::STOP_JOB)
            .bind(tenant)
            .bind(job)
            .bind(counts.created.cast_signed())
            .bind(counts.updated.cast_signed())
            .bind(counts.unchanged.cast_signed())
            .bind(counts.failed.cast_signed())
            .bind(counts.warnings.cast_signed())
            .bind(counts.blocked.cast_signed())
            .bind(counts.unblocked.cast_signed())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(state) = state.as_deref().and_then(JobState::parse) else { return Ok(None) };
        let next = first_unfinished(connection, self.tenant).await?;
        sqlx::query(sql::NOTIFY_JOB).bind(self.job.to_string()).execute(&mut *connection).await?;
        Ok(Some(FinishedJob { state, counts, next }))
    }
}

impl Finish {
    fn is_complete(&self, sums: &LedgerSums) -> bool {
        let covers_the_file = sums.batches == 0 || (sums.joins && sums.end_offset == self.bytes);
        sums.batches == i64::from(self.batches) && covers_the_file
    }
}
