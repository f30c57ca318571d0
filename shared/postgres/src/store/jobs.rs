//! Accepting and deleting jobs, and asking for their end.

use async_trait::async_trait;
use muster_domain::{CharsetSource, ExceededQuota, JobId, JobState, QuotaUsage, TenantId};
use muster_ports::{Cancellation, CreatedJob, Creation, Deletion, FinishedJob, Idempotency, Jobs, NewJob, StoreError};
use muster_runtime::failpoint;
use muster_sql::{jobs as stored, tenants};
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::finish::{CompleteStop, Finish, Step, first_unfinished};
use crate::connection::query;
use crate::connection::transaction::Work;
use crate::sql;
use crate::store::PostgresStore;

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
        let (tenant, mut split) = stored::split_summary(&row)?;
        loop {
            match self.database.transact("finish job", Finish { tenant, job, split }).await? {
                Step::End(finished) => return Ok(finished),
                Step::MissingUsersRemain => split.missing_users_are_decided = true,
            }
            failpoint!("missing_piece_blocked");
        }
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
            .bind(job.raw.charset_source.map(CharsetSource::as_str))
            .bind(stored::titles_json(&job.ignored_keys))
            .bind(&job.raw.sheet)
            .fetch_one(&mut *connection)
            .await?;
        let first = first_unfinished(connection, job.tenant).await?;
        Ok(Creation::New(CreatedJob { id: JobId(id), can_start: first == Some(JobId(id)) }))
    }
}

/// Counts a new job against the quotas of its tenant, or returns the one that it would exceed. The tenant is locked: no
/// other upload is counted meanwhile.
async fn take_quotas(connection: &mut PgConnection, job: &NewJob) -> Result<Option<ExceededQuota>, sqlx::Error> {
    if job.quotas.allow_all_uploads() {
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
