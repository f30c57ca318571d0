//! Reading jobs, rejections and users.

use async_trait::async_trait;
use muster_domain::{JobId, JobState, Rejection, TenantId, Warning};
use muster_ports::{
    JobQuery, JobView, LedgerTotals, Queries, RejectionPage, Signals, StoreError, UserKey, UserRecord, WarningPage,
};
use muster_sql::{jobs, rejections, users};
use rusqlite::{OptionalExtension, params};

use crate::connection::row::decode;
use crate::ledger;
use crate::sql;
use crate::statements::{FIND_USER, FIND_USER_BY_EMAIL, FIND_USER_BY_UID};
use crate::store::SqliteStore;

#[async_trait]
impl Queries for SqliteStore {
    async fn check_ready(&self) -> Result<(), StoreError> {
        self.read(|db| db.query_row("select 1", [], |_| Ok(()))).await?;
        self.check_repair()
    }

    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::FIND_JOB)?;
            statement.query_row(params![tenant.0, job.0], decode(|row| jobs::job_view(row))).optional()
        })
        .await
    }

    async fn list_jobs(&self, tenant: TenantId, filter: JobQuery) -> Result<Vec<JobView>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LIST_JOBS)?;
            let (state, before) = (filter.state.map(JobState::as_str), filter.before_id.map(|job| job.0));
            let values = params![tenant.0, state, before, filter.limit];
            statement.query_map(values, decode(|row| jobs::job_view(row)))?.collect()
        })
        .await
    }

    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError> {
        self.read(move |db| {
            let tenant: Option<i64> =
                db.prepare_cached(sql::JOB_TENANT)?.query_row([job.0], |row| row.get(0)).optional()?;
            let Some(tenant) = tenant else { return Ok(LedgerTotals::default()) };
            let sums = ledger::sums(db, TenantId(tenant), job)?;
            Ok(LedgerTotals { batches: sums.batches, counts: sums.counts, bytes: sums.bytes })
        })
        .await
    }

    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: RejectionPage,
    ) -> Result<Vec<Rejection>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LIST_REJECTIONS)?;
            let values = params![tenant.0, job.0, page.after_line.cast_signed(), page.limit];
            statement.query_map(values, decode(|row| rejections::rejection(row)))?.collect()
        })
        .await
    }

    async fn list_warnings(&self, tenant: TenantId, job: JobId, page: WarningPage) -> Result<Vec<Warning>, StoreError> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::LIST_WARNINGS)?;
            let values = params![tenant.0, job.0, page.after_line.cast_signed(), page.after_column, page.limit];
            statement.query_map(values, decode(|row| rejections::warning(row)))?.collect()
        })
        .await
    }

    async fn find_user(&self, tenant: TenantId, key: UserKey) -> Result<Option<UserRecord>, StoreError> {
        let (statement, key) = match key {
            UserKey::Username(key) => (&*FIND_USER, key),
            UserKey::Email(key) => (&*FIND_USER_BY_EMAIL, key),
            UserKey::Uid(key) => (&*FIND_USER_BY_UID, key),
        };
        self.read(move |db| {
            let mut statement = db.prepare_cached(statement)?;
            statement.query_row(params![tenant.0, key], decode(|row| users::user(row))).optional()
        })
        .await
    }

    fn signals(&self, job: JobId) -> Signals {
        self.signals.subscribe(job)
    }
}
