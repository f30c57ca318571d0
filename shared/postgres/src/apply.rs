//! Applies a batch: job, ledger, users, rejections, in one transaction and in this order of locks.
//!
//! | step | file |
//! | --- | --- |
//! | job row shared, batch claimed in the ledger | here |
//! | how much is looked up | [`look`] |
//! | which users exist, who holds which e-mail | [`probe`] |
//! | changed and new users in one go | [`mass`], rows in COPY form by [`copy`], few by [`user`] |
//! | contested users row by row | [`one_by_one`], each by [`user`] |
//! | rejections, counts, commit | here |
//!
//! What other transactions can do meanwhile: another delivery of this batch waits at the claim and
//! then finds it taken. A batch of the same job cannot touch the same users (epochs), but may take
//! an e-mail: then the insert fails with 23505, everything is rolled back, and the next attempt looks
//! closer, in the end inserting around conflicts. A user whose version has moved since it was probed also rolls back.

mod copy;
mod look;
mod mass;
mod one_by_one;
mod probe;
mod user;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use muster_domain::plan::plan;
use muster_domain::{BatchNo, Counts, JobId, JobState, Rejection, TenantId};
use muster_ports::{Applied, BatchToApply, Batches, JobRules, StoreError};
use muster_runtime::failpoint;
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgPool};

use crate::error::{is_unique_violation, store_error};
use crate::jobs::aborted;
use crate::splits::{read_cut, read_dialect, read_format, read_titles};
use crate::sql;
use crate::store::{PostgresStore, ask};
use crate::transaction::{self, Work};
pub(crate) use look::Guesses;
use look::Look;

/// Begins a transaction that looks many keys up.
///
/// A table that is empty while a look-up is planned may be full before it ends, because other batches fill it. And
/// the index of the ids, which has the shortest entries, costs the least as long as it alone has one page, although
/// it leads through all users of a tenant. A look-up is ordered by its key, so one that may neither scan nor sort
/// has only the index of this key.
const BEGIN_LOOK_UPS: &str = "begin; set local enable_seqscan = off; set local enable_sort = off";

/// How often a batch is tried when other transactions are in the way.
const ATTEMPTS: u32 = 8;

#[async_trait]
impl Batches for PostgresStore {
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError> {
        let row: Option<(i64, String, String, String, String, String, bool)> =
            ask!(self, connection => sqlx::query_as(sql::JOB_RULES).bind(job.0).fetch_optional(connection))?;
        row.map(|(tenant, dialect, handling, titles, cut, format, blocks_missing)| {
            Ok(JobRules {
                tenant: TenantId(tenant),
                dialect: read_dialect(&dialect)?,
                handling: muster_domain::Handling::parse(&handling)
                    .ok_or(StoreError::Unreadable("the handling of a job"))?,
                format: read_format(&format)?,
                titles: read_titles(&titles)?,
                record: read_cut(&cut)?.record,
                blocks_missing,
            })
        })
        .transpose()
    }

    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let attempts: i32 = ask!(self, connection => sqlx::query_scalar(sql::COUNT_ATTEMPTS)
            .bind(job.0)
            .bind(batch.0.cast_signed()).fetch_one(connection))?;
        Ok(attempts.cast_unsigned())
    }

    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let attempts: i32 = ask!(self, connection => sqlx::query_scalar(sql::RECORD_ATTEMPT)
            .bind(job.0)
            .bind(batch.0.cast_signed()).fetch_one(connection))?;
        Ok(attempts.cast_unsigned())
    }

    async fn forget_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError> {
        ask!(self, connection => sqlx::query(sql::FORGET_ATTEMPT)
            .bind(job.0)
            .bind(batch.0.cast_signed()).execute(connection))?;
        Ok(())
    }

    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let pool = self.pool.clone();
        let look = async move { transaction::run_once(&pool, NewUids { tenant, job, batch, uids }).await };
        self.tasks.spawn("look up uids", look).await.map_err(aborted)?
    }

    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError> {
        let (pool, guesses) = (self.pool.clone(), self.guesses.clone());
        self.tasks.spawn("apply batch", apply(pool, guesses, Arc::new(batch))).await.map_err(aborted)?
    }
}

async fn apply(pool: PgPool, guesses: Arc<Guesses>, batch: Arc<BatchToApply>) -> Result<Applied, StoreError> {
    let mut look = guesses.first(batch.job);
    let mut in_the_way = 0;
    loop {
        let error = match transaction::run(&pool, Apply { batch: batch.clone(), look }).await {
            Ok(applied) => {
                if let Applied::Now(counts) = &applied {
                    guesses.learn(batch.job, look, counts);
                }
                return Ok(applied);
            }
            Err(error) => error,
        };
        let (refused, moved) = (is_unique_violation(&error) || is::<Refused>(&error), is::<Moved>(&error));
        if refused && look != Look::AroundConflicts {
            look = look.closer();
            continue;
        }
        let error = store_error(error);
        if !refused && !moved && !matches!(error, StoreError::Contention { .. }) {
            return Err(error);
        }
        in_the_way += 1;
        if in_the_way == ATTEMPTS {
            return Err(match error {
                contention @ StoreError::Contention { .. } => contention,
                _ => StoreError::Contention { code: "40001".to_owned() },
            });
        }
        let jitter: f64 = rand::random();
        tokio::time::sleep(Duration::from_millis(20 << in_the_way).mul_f64(jitter)).await;
    }
}

/// Something was changed by somebody else between look and write.
#[derive(Debug, thiserror::Error)]
#[error("what was looked at changed before it could be written")]
struct Moved;

pub(crate) fn moved() -> sqlx::Error {
    sqlx::Error::AnyDriverError(Box::new(Moved))
}

/// A user was not written, either because another one has its e-mail or login, or because it is no longer as it
/// was looked up. A closer look tells.
#[derive(Debug, thiserror::Error)]
#[error("a user is in the way of others, or not as it was looked up")]
struct Refused;

fn refused() -> sqlx::Error {
    sqlx::Error::AnyDriverError(Box::new(Refused))
}

fn is<E: std::error::Error + 'static>(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::AnyDriverError(inner) if inner.is::<E>())
}

struct Apply {
    batch: Arc<BatchToApply>,
    look: Look,
}

struct NewUids {
    tenant: TenantId,
    job: JobId,
    batch: BatchNo,
    uids: Vec<String>,
}

impl Work for NewUids {
    type Output = Vec<String>;

    const BEGIN: &'static str = BEGIN_LOOK_UPS;

    async fn run(self, connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(sql::PROBE_NEW_UIDS)
            .bind(self.tenant.0)
            .bind(self.job.0)
            .bind(self.batch.0.cast_signed())
            .bind(self.uids)
            .fetch_all(connection)
            .await
    }
}

/// What the steps of a transaction add up to.
#[derive(Default)]
struct Outcome {
    counts: Counts,
    rejections: Vec<Rejection>,
}

impl Outcome {
    fn reject(&mut self, rejection: Rejection) {
        self.counts.failed += 1;
        self.rejections.push(rejection);
    }
}

impl Work for Apply {
    type Output = Applied;

    const BEGIN: &'static str = BEGIN_LOOK_UPS;

    async fn run(self, connection: &mut PgConnection) -> Result<Applied, sqlx::Error> {
        let batch = &*self.batch;
        if !share_running_job(connection, batch).await? {
            return Ok(Applied::NotRunning);
        }
        if !claim(connection, batch).await? {
            return Ok(Applied::Before(ledger_counts(connection, batch).await?));
        }
        let mut outcome = Outcome { counts: batch.rows.initial_counts(), rejections: batch.rows.rejections().to_vec() };
        write_users(connection, batch, self.look, &mut outcome).await?;
        failpoint!("users_written");
        insert_rejections(connection, batch, &outcome.rejections).await?;
        let named = if batch.notes_named { probe::named_ids(connection, batch).await? } else { Vec::new() };
        settle(connection, batch, &outcome.counts, &named).await?;
        Ok(Applied::Now(outcome.counts))
    }
}

async fn write_users(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    look: Look,
    outcome: &mut Outcome,
) -> Result<(), sqlx::Error> {
    if batch.isolate_rows {
        return one_by_one::isolated(connection, batch, batch.rows.rows(), outcome).await;
    }
    let mut found = probe::Found::look(connection, batch, look).await?;
    let existing = found.existing()?;
    let plan = plan(batch.job, &batch.rows, &existing);
    if plan.refused > 0 {
        tracing::error!(job = %batch.job, batch = %batch.batch, users = plan.refused, "a later row has written users before an earlier one");
    }
    outcome.counts.add(&plan.unchanged);
    mass::update(connection, batch, &plan.updates, outcome).await?;
    let left = mass::insert(connection, batch, plan.inserts, look, outcome).await?;
    let mut rows = plan.one_by_one;
    rows.extend(left);
    rows.sort_unstable_by_key(muster_domain::CheckedRow::line);
    one_by_one::apply(connection, batch, rows, outcome).await
}

/// Keeps the job from being stopped while the batch is applied. False if it is not running.
async fn share_running_job(connection: &mut PgConnection, batch: &BatchToApply) -> Result<bool, sqlx::Error> {
    let row: Option<(String, bool)> =
        sqlx::query_as(sql::SHARE_JOB).bind(batch.tenant.0).bind(batch.job.0).fetch_optional(connection).await?;
    Ok(row.is_some_and(|(state, stopping)| state == JobState::Processing.as_str() && !stopping))
}

async fn claim(connection: &mut PgConnection, batch: &BatchToApply) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(sql::CLAIM_BATCH)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(batch.batch.0.cast_signed())
        .bind(batch.first_offset.cast_signed())
        .bind(batch.end_offset.cast_signed())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

async fn ledger_counts(connection: &mut PgConnection, batch: &BatchToApply) -> Result<Counts, sqlx::Error> {
    let row = sqlx::query(sql::LEDGER_COUNTS)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(batch.batch.0.cast_signed())
        .fetch_one(connection)
        .await?;
    let mut sums = [0; 7];
    for (index, sum) in sums.iter_mut().enumerate() {
        *sum = u64::from(row.try_get::<i32, _>(index)?.cast_unsigned());
    }
    Ok(Counts::from_array(sums))
}

async fn insert_rejections(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rejections: &[Rejection],
) -> Result<(), sqlx::Error> {
    if rejections.is_empty() {
        return Ok(());
    }
    sqlx::query(sql::INSERT_REJECTIONS)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(rejections.iter().map(|r| r.line.cast_signed()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.column.as_deref()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.code.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.message.as_str()).collect::<Vec<_>>())
        .bind(rejections.iter().map(|r| r.row.map(u64::cast_signed)).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn settle(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    counts: &Counts,
    named: &[i64],
) -> Result<(), sqlx::Error> {
    let number = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    sqlx::query(sql::SETTLE_BATCH)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(batch.batch.0.cast_signed())
        .bind(number(counts.created))
        .bind(number(counts.updated))
        .bind(number(counts.unchanged))
        .bind(number(counts.failed))
        .bind(number(counts.warnings))
        .bind(number(counts.blocked))
        .bind(number(counts.unblocked))
        .bind(batch.notes_named.then_some(named))
        .bind(number(batch.rows.unnamed()))
        .execute(connection)
        .await?;
    Ok(())
}
