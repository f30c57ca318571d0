//! Accepting, finishing and deleting jobs.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::decision::{MissingResult, SplitSummary, can_tell_missing, covers_file, decide_final};
use muster_domain::{BatchNo, Counts, ExceededQuota, JobId, JobState, QuotaUsage, TenantId, row_shape};
use muster_ports::{Cancellation, CreatedJob, Creation, Deletion, FinishedJob, Idempotency, Jobs, NewJob, StoreError};
use muster_runtime::failpoint;
use muster_sql::{jobs as stored, tenants};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::apply::waiting::{self, FinalBatch};
use crate::connection::error::Retry;
use crate::connection::query::{self, Statement};
use crate::connection::transaction::{CLIENT_DEADLINE, Work};
use crate::ledger;
use crate::missing;
use crate::sql;
use crate::store::PostgresStore;

/// How much longer the end of a job may take for each waiting row.
const TIME_PER_WAITING_ROW: Duration = Duration::from_millis(1);
/// How much longer it may take to count and to block the missing users: twice the limit of `allow_long_statements.sql`.
const TIME_FOR_MISSING_USERS: Duration = Duration::from_mins(30);

#[async_trait]
impl Jobs for PostgresStore {
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError> {
        self.database.transact("create job", Create(job)).await
    }

    async fn quota_usage(&self, tenant: TenantId) -> Result<QuotaUsage, StoreError> {
        let row = self.database.fetch_one(sqlx::query(sql::QUOTA_USAGE).bind(tenant.0)).await?;
        Ok(tenants::quota_usage(&row)?)
    }

    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError> {
        self.database.transact("delete job", Delete { tenant, job }).await
    }

    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError> {
        self.database.execute(sqlx::query(sql::CANCEL_JOB).bind(tenant.0).bind(job.0)).await?;
        failpoint!("stop_begun");
        let ended = self.database.transact("stop job", CompleteStop { tenant, job }).await?;
        let row = self.database.fetch_optional(sqlx::query(sql::JOB_STATE).bind(tenant.0).bind(job.0)).await?;
        match row.map(|row| stored::job_state(&row, "state")).transpose()? {
            None => Ok(Cancellation::Unknown),
            Some(JobState::Canceled) => {
                let row = self.database.fetch_one(sqlx::query(sql::FIRST_UNFINISHED).bind(tenant.0)).await?;
                Ok(Cancellation::Canceled { now: ended.is_some(), next: row.only::<Option<i64>>()?.map(JobId) })
            }
            Some(state) => Ok(Cancellation::Final(state)),
        }
    }

    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        let row = self.database.fetch_optional(sqlx::query(sql::FIND_COMPLETE_JOB).bind(job.0)).await?;
        let Some(row) = row else { return Ok(None) };
        failpoint!("job_complete");
        let (tenant, split) = stored::split_summary(&row)?;
        self.database.transact("finish job", Finish { tenant, job, split }).await
    }
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
        if let Some(exceeded) = take_quotas(connection, &job).await? {
            return Ok(Creation::QuotaExceeded(exceeded));
        }
        let id: i64 = sqlx::query_scalar(sql::CREATE_JOB)
            .bind(job.tenant.0)
            .bind(job.dialect.as_str())
            .bind(job.handling.as_str())
            .bind(&job.raw.key)
            .bind(job.raw.bytes.cast_signed())
            .bind(job.raw.sha256.as_slice())
            .bind(job.raw.compression.as_str())
            .bind(stored::titles_json(&job.titles))
            .bind(stored::cut_rules_json(&job.cut))
            .bind(job.cut.version.cast_signed())
            .bind(job.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()))
            .bind(job.raw.format.as_str())
            .bind(job.raw.charset.as_str())
            .bind(job.blocks_missing_users)
            .fetch_one(&mut *connection)
            .await?;
        let first = first_unfinished(connection, job.tenant).await?;
        Ok(Creation::New(CreatedJob { id: JobId(id), can_start: first == Some(JobId(id)) }))
    }
}

/// Counts a new job against the quotas of its tenant, or returns the one that it would exceed. The tenant is locked: no
/// other upload is counted meanwhile.
async fn take_quotas(connection: &mut PgConnection, job: &NewJob) -> Result<Option<ExceededQuota>, sqlx::Error> {
    if job.quotas.are_unlimited() {
        return Ok(None);
    }
    let row = query::fetch_row(connection, sqlx::query(sql::QUOTA_USAGE).bind(job.tenant.0)).await?;
    let usage = tenants::quota_usage(&row).map_err(query::unreadable)?;
    let exceeded = job.quotas.exceeded_by(usage, job.raw.bytes);
    if exceeded.is_none() && job.quotas.uploads_per_day.is_some() {
        sqlx::query(sql::COUNT_UPLOAD).bind(job.tenant.0).execute(connection).await?;
    }
    Ok(exceeded)
}

/// The job that has the idempotency key of a new one; `None` if the key is free. The tenant is locked: no other upload
/// can take the key meanwhile.
async fn find_keyed(
    connection: &mut PgConnection,
    job: &NewJob,
    idempotency: &Idempotency,
) -> Result<Option<Creation>, sqlx::Error> {
    let (tenant, key) = (job.tenant.0, idempotency.key.as_str());
    let lifetime_ms = i64::try_from(idempotency.key_lifetime.as_millis()).unwrap_or(i64::MAX);
    sqlx::query(sql::RELEASE_IDEMPOTENCY_KEY)
        .bind(tenant)
        .bind(key)
        .bind(lifetime_ms)
        .execute(&mut *connection)
        .await?;
    let found: Option<(i64, bool)> = sqlx::query_as(sql::FIND_KEYED_JOB)
        .bind(tenant)
        .bind(key)
        .bind(job.raw.sha256.as_slice())
        .bind(job.raw.compression.as_str())
        .bind(job.dialect.as_str())
        .bind(job.handling.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(id, same)| if same { Creation::Existing(JobId(id)) } else { Creation::KeyReused }))
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
        // Read before it is locked: an exclusive lock would wait for the workers' shared ones.
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
        // The reconciler removes the ledger and the rejections, which may be millions of rows.
        for statement in [sql::RECORD_DELETION, sql::DELETE_JOB] {
            sqlx::query(statement).bind(tenant).bind(job).execute(&mut *connection).await?;
        }
        sqlx::query(sql::DELETE_ATTEMPTS).bind(job).execute(&mut *connection).await?;
        Ok(Deletion::Deleted { raw_key, next: first_unfinished(connection, self.tenant).await? })
    }
}

/// Makes a job final whose batches are all in the ledger.
struct Finish {
    tenant: TenantId,
    job: JobId,
    split: SplitSummary,
}

impl Work for Finish {
    type Output = Option<FinishedJob>;

    fn deadline(&self) -> Duration {
        let waiting = TIME_PER_WAITING_ROW * u32::try_from(self.split.waiting_rows).unwrap_or(u32::MAX);
        let missing = if self.split.blocks_missing_users { TIME_FOR_MISSING_USERS } else { Duration::ZERO };
        CLIENT_DEADLINE + waiting + missing
    }

    async fn run(self, connection: &mut PgConnection) -> Result<Option<FinishedJob>, sqlx::Error> {
        let Self { tenant, job, split } = self;
        let mut sums = ledger::sums(&mut *connection, tenant, job).await?;
        if !covers_file(&split, &sums) {
            tracing::error!(%job, "the ledger has all batches but not the whole file; the job waits for repair");
            return Ok(None);
        }
        let batch = BatchNo(u32::try_from(split.batches + 1).unwrap_or(u32::MAX));
        let last = FinalBatch { tenant, job, batch, end_offset: split.bytes, shape: row_shape(split.dialect) };
        if split.waiting_rows > 0 {
            if !begin_final_batch(connection, &last).await? {
                return Ok(None);
            }
            waiting::decide_all(connection, &last).await?;
            failpoint!("waiting_decided");
            sums = ledger::sums(&mut *connection, tenant, job).await?;
        }
        let missing = if can_tell_missing(&split, &sums) {
            if split.waiting_rows == 0 && !begin_final_batch(connection, &last).await? {
                return Ok(None);
            }
            missing::block(connection, &last).await?
        } else {
            MissingResult::default()
        };
        failpoint!("missing_blocked");
        let (state, counts) = decide_final(&split, &sums, missing);
        let statement = sqlx::query(sql::FINISH_JOB).bind(tenant.0).bind(job.0).bind(state.as_str());
        let statement = bind_counts(statement, &counts).bind(missing.kept.map(u64::cast_signed));
        if statement.execute(&mut *connection).await?.rows_affected() == 0 {
            // The job is being stopped. What was decided here must not stay.
            return if split.waiting_rows > 0 || split.blocks_missing_users {
                Err(Retry::Changed.into())
            } else {
                Ok(None)
            };
        }
        if split.blocks_missing_users {
            sqlx::query(sql::CLEAR_NAMED_USERS).bind(tenant.0).bind(job.0).execute(&mut *connection).await?;
        }
        end(connection, tenant, job, state, counts).await.map(Some)
    }
}

/// Ends a job whose stop was started. Waits for batches that are being applied; new ones see the stop.
pub(crate) struct CompleteStop {
    pub(crate) tenant: TenantId,
    pub(crate) job: JobId,
}

impl Work for CompleteStop {
    type Output = Option<FinishedJob>;

    async fn run(self, connection: &mut PgConnection) -> Result<Option<FinishedJob>, sqlx::Error> {
        let Self { tenant, job } = self;
        sqlx::query(sql::LOCK_JOB).bind(tenant.0).bind(job.0).fetch_optional(&mut *connection).await?;
        end_waiting(connection, tenant, job).await?;
        let counts = ledger::sums(&mut *connection, tenant, job).await?.counts;
        let statement = bind_counts(sqlx::query(sql::COMPLETE_STOP).bind(tenant.0).bind(job.0), &counts);
        let Some(row) = statement.fetch_optional(&mut *connection).await? else { return Ok(None) };
        let state: &str = row.try_get("state")?;
        let Some(state) = JobState::parse(state) else { return Ok(None) };
        end(connection, tenant, job, state, counts).await.map(Some)
    }
}

/// Locks a complete job and claims the extra batch at its end. False if another process does so: it ends the job.
async fn begin_final_batch(connection: &mut PgConnection, last: &FinalBatch) -> Result<bool, sqlx::Error> {
    let statement = sqlx::query(sql::LOCK_COMPLETE_JOB).bind(last.tenant.0).bind(last.job.0);
    Ok(statement.fetch_optional(&mut *connection).await?.is_some()
        && waiting::claim_final_batch(connection, last).await?)
}

/// Decides about the waiting rows of a job that is being stopped because its file is unreadable, or drops those of a
/// canceled job.
async fn end_waiting(connection: &mut PgConnection, tenant: TenantId, job: JobId) -> Result<(), sqlx::Error> {
    let statement = sqlx::query(sql::FIND_STOPPED_JOB).bind(tenant.0).bind(job.0);
    let Some(row) = statement.fetch_optional(&mut *connection).await? else { return Ok(()) };
    let stopped = stored::stopped_job(&query::Row(row)).map_err(query::unreadable)?;
    if !stopped.has_waiting {
        return Ok(());
    }
    if !stopped.is_unreadable {
        return waiting::delete(connection, tenant, job).await;
    }
    let batch = BatchNo(u32::try_from(stopped.last_batch + 1).unwrap_or(u32::MAX));
    let last = FinalBatch { tenant, job, batch, end_offset: stopped.end_offset, shape: row_shape(stopped.dialect) };
    if waiting::claim_final_batch(connection, &last).await? {
        waiting::decide_all(connection, &last).await?;
    }
    Ok(())
}

/// Notifies the processes that wait for a job which has become final, and finds the tenant's next job.
async fn end(
    connection: &mut PgConnection,
    tenant: TenantId,
    job: JobId,
    state: JobState,
    counts: Counts,
) -> Result<FinishedJob, sqlx::Error> {
    let next = first_unfinished(connection, tenant).await?;
    sqlx::query(sql::NOTIFY_JOB).bind(job.to_string()).execute(connection).await?;
    Ok(FinishedJob { job, state, counts, next })
}

fn bind_counts<'q>(statement: Statement<'q>, counts: &Counts) -> Statement<'q> {
    counts.to_array().into_iter().fold(statement, |statement, count| statement.bind(count.cast_signed()))
}
