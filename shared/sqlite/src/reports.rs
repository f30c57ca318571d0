//! Reading jobs, rejections and users.

use async_trait::async_trait;
use muster_domain::field::{FIELD_COUNT, FIELDS};
use muster_domain::{Counts, JobId, JobState, Rejection, RejectionCode, TenantId};
use muster_ports::{JobFilter, JobView, LedgerTotals, PageAfter, Reports, Signals, StoreError, UserRecord};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Reports for SqliteStore {
    async fn check_ready(&self) -> Result<(), StoreError> {
        self.read(|db| db.query_row("select 1", [], |_| Ok(()))).await
    }

    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        let row = self
            .read(move |db| {
                db.prepare_cached(sql::FIND_JOB)?.query_row(params![tenant.0, job.0], JobRow::read).optional()
            })
            .await?;
        row.map(JobRow::into_view).transpose()
    }

    async fn list_jobs(&self, tenant: TenantId, filter: JobFilter) -> Result<Vec<JobView>, StoreError> {
        let rows: Vec<JobRow> = self
            .read(move |db| {
                let mut statement = db.prepare_cached(sql::LIST_JOBS)?;
                let (state, before) = (filter.state.map(JobState::as_str), filter.before.map(|job| job.0));
                statement.query_map(params![tenant.0, state, before, filter.limit], JobRow::read)?.collect()
            })
            .await?;
        rows.into_iter().map(JobRow::into_view).collect()
    }

    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError> {
        self.read(move |db| {
            let tenant: Option<i64> =
                db.prepare_cached(sql::JOB_TENANT)?.query_row([job.0], |row| row.get(0)).optional()?;
            match tenant {
                Some(tenant) => ledger_sums(db, TenantId(tenant), job).map(|sums| sums.totals),
                None => Ok(LedgerTotals::default()),
            }
        })
        .await
    }

    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: PageAfter,
    ) -> Result<Vec<Rejection>, StoreError> {
        let rows: Vec<(i64, Option<String>, String, String, Option<i64>)> = self
            .read(move |db| {
                let mut statement = db.prepare_cached(sql::LIST_REJECTIONS)?;
                let values = params![tenant.0, job.0, page.line.cast_signed(), page.limit];
                let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
                statement.query_map(values, read)?.collect()
            })
            .await?;
        rows.into_iter()
            .map(|(line, column, code, message, row)| {
                let rejection = Rejection::new(line.cast_unsigned(), column, read_code(&code)?, message);
                Ok(rejection.of_row(row.map(i64::cast_unsigned)))
            })
            .collect()
    }

    async fn find_user(&self, tenant: TenantId, username_key: &str) -> Result<Option<UserRecord>, StoreError> {
        let key = username_key.to_owned();
        self.read(move |db| db.prepare_cached(sql::FIND_USER)?.query_row(params![tenant.0, key], read_user).optional())
            .await
    }

    fn signals(&self) -> Signals {
        Signals::new(self.signals.subscribe())
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

pub(crate) fn ledger_sums(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<LedgerSums> {
    db.prepare_cached(sql::LEDGER_SUMS)?.query_row(params![tenant.0, job.0], |row| {
        let number = |index| row.get::<_, i64>(index);
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
            joins: row.get(8)?,
            unnamed: number(11)?.cast_unsigned(),
        })
    })
}

fn read_code(text: &str) -> Result<RejectionCode, StoreError> {
    RejectionCode::parse(text).ok_or(StoreError::Unreadable("the code of a rejection"))
}

/// A row of `find_job.sql`, whose texts are still to be understood.
struct JobRow {
    state: String,
    error_code: Option<String>,
    error: Option<(i64, String)>,
    view: JobView,
}

impl JobRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |index| row.get::<_, Option<i64>>(index).map(|n| n.map(i64::cast_unsigned));
        let final_counts = match (number(8)?, number(9)?, number(10)?, number(11)?, number(12)?) {
            (Some(created), Some(updated), Some(unchanged), Some(failed), Some(warnings)) => Some(Counts {
                created,
                updated,
                unchanged,
                failed,
                warnings,
                blocked: row.get::<_, i64>(18)?.cast_unsigned(),
                unblocked: row.get::<_, i64>(19)?.cast_unsigned(),
            }),
            _ => None,
        };
        Ok(Self {
            state: row.get(1)?,
            error_code: row.get(6)?,
            error: row.get::<_, Option<i64>>(5)?.zip(row.get(7)?),
            view: JobView {
                id: JobId(row.get(0)?),
                state: JobState::Pending,
                plain_bytes: number(2)?,
                total_bytes: number(3)?,
                total_rows: number(4)?,
                file_error: None,
                final_counts,
                created_ms: row.get(13)?,
                started_ms: row.get(14)?,
                finished_ms: row.get(15)?,
                now_ms: row.get(16)?,
                missing_kept: number(20)?,
                reports_removed: row.get(17)?,
            },
        })
    }

    fn into_view(self) -> Result<JobView, StoreError> {
        let state = JobState::parse(&self.state).ok_or(StoreError::Unreadable("the state of a job"))?;
        let file_error = match (self.error_code, self.error) {
            (Some(code), Some((line, message))) => {
                Some(Rejection::new(line.cast_unsigned(), None, read_code(&code)?, message))
            }
            _ => None,
        };
        Ok(JobView { state, file_error, ..self.view })
    }
}

fn read_user(row: &Row<'_>) -> rusqlite::Result<UserRecord> {
    let mut values = std::collections::BTreeMap::new();
    for (index, spec) in FIELDS.iter().enumerate() {
        if let Some(value) = row.get::<_, Option<String>>(index + 1)? {
            values.insert(spec.column, value);
        }
    }
    Ok(UserRecord {
        id: row.get(0)?,
        values,
        attributes: row.get(FIELD_COUNT + 1)?,
        created_ms: row.get(FIELD_COUNT + 2)?,
        updated_ms: row.get(FIELD_COUNT + 3)?,
    })
}
