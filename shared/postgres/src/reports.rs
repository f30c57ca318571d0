//! Reading jobs, rejections and users.

use async_trait::async_trait;
use muster_domain::field::{FIELD_COUNT, FIELDS};
use muster_domain::{Counts, JobId, JobState, Rejection, RejectionCode, TenantId};
use muster_ports::{JobFilter, JobView, LedgerTotals, PageAfter, Reports, Signals, StoreError, UserRecord};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::error::store_error;
use crate::sql;
use crate::store::{PostgresStore, ask};

#[async_trait]
impl Reports for PostgresStore {
    async fn check_ready(&self) -> Result<(), StoreError> {
        let expected = Self::schema_version();
        let found: Option<i64> = match ask!(self, connection => sqlx::query_scalar(sql::SCHEMA_VERSION).fetch_one(connection))
        {
            Ok(found) => found,
            // No such table: nobody has migrated this database yet.
            Err(StoreError::Refused { code, .. }) if code == "42P01" => None,
            Err(error) => return Err(error),
        };
        let found = found.unwrap_or(0);
        if found == expected { Ok(()) } else { Err(StoreError::Schema { found, expected }) }
    }

    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        let row =
            ask!(self, connection => sqlx::query(sql::FIND_JOB).bind(tenant.0).bind(job.0).fetch_optional(connection));
        row?.map(|row| read_job(&row)).transpose()
    }

    async fn list_jobs(&self, tenant: TenantId, filter: JobFilter) -> Result<Vec<JobView>, StoreError> {
        let rows = ask!(self, connection => sqlx::query(sql::LIST_JOBS)
            .bind(tenant.0)
            .bind(filter.state.map(JobState::as_str))
            .bind(filter.before.map(|job| job.0))
            .bind(i64::from(filter.limit)).fetch_all(connection))?;
        rows.iter().map(read_job).collect()
    }

    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError> {
        let tenant: Option<i64> =
            ask!(self, connection => sqlx::query_scalar(sql::JOB_TENANT).bind(job.0).fetch_optional(connection))?;
        let Some(tenant) = tenant else { return Ok(LedgerTotals::default()) };
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        let sums = ledger_sums(&mut connection, TenantId(tenant), job).await.map_err(store_error)?;
        Ok(sums.totals)
    }

    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: PageAfter,
    ) -> Result<Vec<Rejection>, StoreError> {
        let rows: Vec<(i64, Option<String>, String, String, Option<i64>)> = ask!(self, connection => sqlx::query_as(sql::LIST_REJECTIONS)
            .bind(tenant.0)
            .bind(job.0)
            .bind(page.line.cast_signed())
            .bind(i64::from(page.limit)).fetch_all(connection))?;
        rows.into_iter()
            .map(|(line, column, code, message, row)| {
                let rejection = Rejection::new(line.cast_unsigned(), column, read_code(&code)?, message);
                Ok(rejection.of_row(row.map(i64::cast_unsigned)))
            })
            .collect()
    }

    async fn find_user(&self, tenant: TenantId, username_key: &str) -> Result<Option<UserRecord>, StoreError> {
        let row = ask!(self, connection => sqlx::query(sql::FIND_USER).bind(tenant.0).bind(username_key).fetch_optional(connection));
        row?.map(|row| read_user(&row).map_err(store_error)).transpose()
    }

    fn signals(&self) -> Signals {
        self.signals.subscribe()
    }
}

/// Sums over a ledger, and how its batches lie.
pub(crate) struct LedgerSums {
    pub(crate) totals: LedgerTotals,
    pub(crate) batches: i64,
    pub(crate) end_offset: i64,
    pub(crate) joins: bool,
    /// Rows whose user could not be told.
    pub(crate) unnamed: u64,
}

pub(crate) async fn ledger_sums(
    connection: &mut PgConnection,
    tenant: TenantId,
    job: JobId,
) -> Result<LedgerSums, sqlx::Error> {
    let row = sqlx::query(sql::LEDGER_SUMS).bind(tenant.0).bind(job.0).fetch_one(connection).await?;
    let number = |index| row.try_get::<i64, _>(index);
    Ok(LedgerSums {
        totals: LedgerTotals {
            batches: number(0)?.cast_unsigned(),
            counts: Counts {
                created: number(1)?.cast_unsigned(),
                updated: number(2)?.cast_unsigned(),
                unchanged: number(3)?.cast_unsigned(),
                failed: number(4)?.cast_unsigned(),
                warnings: number(5)?.cast_unsigned(),
                blocked: number(9)?.cast_unsigned(),
                unblocked: number(10)?.cast_unsigned(),
            },
            bytes: number(6)?.cast_unsigned(),
        },
        batches: number(0)?,
        end_offset: number(7)?,
        joins: row.try_get(8)?,
        unnamed: number(11)?.cast_unsigned(),
    })
}

fn read_code(text: &str) -> Result<RejectionCode, StoreError> {
    RejectionCode::parse(text).ok_or(StoreError::Unreadable("the code of a rejection"))
}

fn read_job(row: &PgRow) -> Result<JobView, StoreError> {
    let number = |index| row.try_get::<Option<i64>, _>(index).map_err(store_error);
    let text = |index| row.try_get::<Option<String>, _>(index).map_err(store_error);
    let count = |index| number(index).map(|n| n.map(i64::cast_unsigned));
    let required = |index| row.try_get::<i64, _>(index).map_err(store_error);
    let state: &str = row.try_get(1).map_err(store_error)?;
    let file_error = match (count(5)?, text(6)?, text(7)?) {
        (Some(line), Some(code), Some(message)) => Some(Rejection::new(line, None, read_code(&code)?, message)),
        _ => None,
    };
    let final_counts = match (count(8)?, count(9)?, count(10)?, count(11)?, count(12)?) {
        (Some(created), Some(updated), Some(unchanged), Some(failed), Some(warnings)) => Some(Counts {
            created,
            updated,
            unchanged,
            failed,
            warnings,
            blocked: required(18)?.cast_unsigned(),
            unblocked: required(19)?.cast_unsigned(),
        }),
        _ => None,
    };
    Ok(JobView {
        id: JobId(required(0)?),
        state: JobState::parse(state).ok_or(StoreError::Unreadable("the state of a job"))?,
        plain_bytes: count(2)?,
        total_bytes: count(3)?,
        total_rows: count(4)?,
        file_error,
        final_counts,
        created_ms: required(13)?,
        started_ms: number(14)?,
        finished_ms: number(15)?,
        now_ms: required(16)?,
        missing_kept: count(20)?,
        reports_removed: row.try_get(17).map_err(store_error)?,
    })
}

fn read_user(row: &PgRow) -> Result<UserRecord, sqlx::Error> {
    let mut values = std::collections::BTreeMap::new();
    for (index, spec) in FIELDS.iter().enumerate() {
        if let Some(value) = row.try_get::<Option<String>, _>(index + 1)? {
            values.insert(spec.column, value);
        }
    }
    Ok(UserRecord {
        id: row.try_get(0)?,
        values,
        attributes: row.try_get(FIELD_COUNT + 1)?,
        created_ms: row.try_get(FIELD_COUNT + 2)?,
        updated_ms: row.try_get(FIELD_COUNT + 3)?,
    })
}
