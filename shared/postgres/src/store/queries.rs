//! Reading jobs, rejections and users.

use async_trait::async_trait;
use muster_domain::{JobId, JobState, Rejection, TenantId, Warning};
use muster_ports::{
    JobQuery, JobView, LedgerTotals, Queries, RejectionPage, Signals, StoreError, UserKey, UserRecord, WarningPage,
};
use muster_sql::{jobs, ledger, rejections, users};

use crate::migrate::schema_version;
use crate::sql;
use crate::statements::{FIND_USER, FIND_USER_BY_EMAIL, FIND_USER_BY_UID};
use crate::store::PostgresStore;

#[async_trait]
impl Queries for PostgresStore {
    async fn check_ready(&self) -> Result<(), StoreError> {
        let is_migrated: bool = self.database.fetch_one(sqlx::query(sql::IS_MIGRATED)).await?.only()?;
        let found: Option<i64> =
            if is_migrated { self.database.fetch_one(sqlx::query(sql::SCHEMA_VERSION)).await?.only()? } else { None };
        let found = found.unwrap_or_default();
        let expected = schema_version();
        if found != expected {
            return Err(StoreError::SchemaMismatch { found, expected });
        }
        self.database.repair.check()
    }

    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        let row = self.database.fetch_optional(sqlx::query(sql::FIND_JOB).bind(tenant.0).bind(job.0)).await?;
        Ok(row.map(|row| jobs::job_view(&row)).transpose()?)
    }

    async fn list_jobs(&self, tenant: TenantId, filter: JobQuery) -> Result<Vec<JobView>, StoreError> {
        let statement = sqlx::query(sql::LIST_JOBS)
            .bind(tenant.0)
            .bind(filter.state.map(JobState::as_str))
            .bind(filter.before_id.map(|job| job.0))
            .bind(i64::from(filter.limit));
        Ok(self.database.fetch_all(statement).await?.iter().map(jobs::job_view).collect::<Result<_, _>>()?)
    }

    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError> {
        let Some(row) = self.database.fetch_optional(sqlx::query(sql::JOB_TENANT).bind(job.0)).await? else {
            return Ok(LedgerTotals::default());
        };
        let tenant: i64 = row.only()?;
        let sums =
            ledger::sums(&self.database.fetch_one(sqlx::query(sql::LEDGER_SUMS).bind(tenant).bind(job.0)).await?)?;
        Ok(LedgerTotals { batches: sums.batches, counts: sums.counts, bytes: sums.bytes })
    }

    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: RejectionPage,
    ) -> Result<Vec<Rejection>, StoreError> {
        let statement = sqlx::query(sql::LIST_REJECTIONS)
            .bind(tenant.0)
            .bind(job.0)
            .bind(page.after_line.cast_signed())
            .bind(i64::from(page.limit));
        Ok(self.database.fetch_all(statement).await?.iter().map(rejections::rejection).collect::<Result<_, _>>()?)
    }

    async fn list_warnings(&self, tenant: TenantId, job: JobId, page: WarningPage) -> Result<Vec<Warning>, StoreError> {
        let statement = sqlx::query(sql::LIST_WARNINGS)
            .bind(tenant.0)
            .bind(job.0)
            .bind(page.after_line.cast_signed())
            .bind(page.after_column)
            .bind(i64::from(page.limit));
        Ok(self.database.fetch_all(statement).await?.iter().map(rejections::warning).collect::<Result<_, _>>()?)
    }

    async fn find_user(&self, tenant: TenantId, key: UserKey) -> Result<Option<UserRecord>, StoreError> {
        let (statement, key) = match key {
            UserKey::Username(key) => (&*FIND_USER, key),
            UserKey::Email(key) => (&*FIND_USER_BY_EMAIL, key),
            UserKey::Uid(key) => (&*FIND_USER_BY_UID, key),
        };
        let statement = sqlx::query(statement.as_str()).bind(tenant.0).bind(key);
        Ok(self.database.fetch_optional(statement).await?.map(|row| users::user(&row)).transpose()?)
    }

    fn signals(&self, job: JobId) -> Signals {
        self.signals.subscribe(job)
    }
}
