//! The end of a job: waiting rows are decided, missing users are blocked, and it becomes final.

use std::time::Duration;

use muster_domain::decision::{MissingResult, SplitSummary, can_tell_missing, covers_file, decide_final};
use muster_domain::{BatchNo, Counts, JobId, JobState, TenantId, row_shape};
use muster_ports::FinishedJob;
use muster_runtime::failpoint;
use muster_sql::jobs as stored;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::apply::waiting::{self, FinalBatch};
use crate::connection::error::Retry;
use crate::connection::query::{self, Statement};
use crate::connection::transaction::{CLIENT_DEADLINE, Work};
use crate::ledger;
use crate::missing::{self, Blocked};
use crate::sql;

/// How much longer the end of a job may take for each waiting row.
const TIME_PER_WAITING_ROW: Duration = Duration::from_millis(1);
/// How much longer it may take to count and to block the missing users: twice the limit of `allow_long_statements.sql`.
const TIME_FOR_MISSING_USERS: Duration = Duration::from_mins(30);

/// Does one transaction of the end of a job whose batches are all in the ledger.
pub(super) struct Finish {
    pub(super) tenant: TenantId,
    pub(super) job: JobId,
    pub(super) split: SplitSummary,
}

/// What a transaction of the end of a job has done.
pub(super) enum Step {
    /// The last one: the job is final. `None` if another process ends it, or it cannot end now.
    End(Option<FinishedJob>),
    /// Further missing users are to be blocked.
    MissingUsersRemain,
}

impl Work for Finish {
    type Output = Step;

    fn deadline(&self) -> Duration {
        let waiting = TIME_PER_WAITING_ROW * u32::try_from(self.split.waiting_rows).unwrap_or(u32::MAX);
        let missing = if self.split.blocks_missing_users { TIME_FOR_MISSING_USERS } else { Duration::ZERO };
        CLIENT_DEADLINE + waiting + missing
    }

    async fn run(self, connection: &mut PgConnection) -> Result<Step, sqlx::Error> {
        let Self { tenant, job, split } = self;
        let batch = BatchNo(u32::try_from(split.batches + 1).unwrap_or(u32::MAX));
        let last = FinalBatch { tenant, job, batch, end_offset: split.bytes, shape: row_shape(split.dialect) };
        if split.missing_users_are_decided {
            return self.block_listed_users(connection, &last).await;
        }
        let mut sums = ledger::sums(&mut *connection, tenant, job).await?;
        if !covers_file(&split, &sums) {
            tracing::error!(%job, "the ledger has all batches but not the whole file; the job waits for repair");
            return Ok(Step::End(None));
        }
        if split.waiting_rows > 0 {
            if !begin_final_batch(connection, &last).await? {
                return Ok(Step::End(None));
            }
            waiting::decide_all(connection, &last).await?;
            failpoint!("waiting_decided");
            sums = ledger::sums(&mut *connection, tenant, job).await?;
        }
        let missing = if can_tell_missing(&split, &sums) {
            if split.waiting_rows == 0 && !begin_final_batch(connection, &last).await? {
                return Ok(Step::End(None));
            }
            match missing::decide(connection, &last).await? {
                Blocked::All(result) => result,
                Blocked::Some => return Ok(Step::MissingUsersRemain),
            }
        } else {
            MissingResult::default()
        };
        failpoint!("missing_blocked");
        let (state, counts) = decide_final(&split, &sums, missing);
        self.end(connection, state, counts, missing).await
    }
}

impl Finish {
    /// Blocks a piece of the listed missing users. After the last one the job becomes final.
    async fn block_listed_users(&self, connection: &mut PgConnection, last: &FinalBatch) -> Result<Step, sqlx::Error> {
        if !lock_complete_job(connection, last).await? {
            return Ok(Step::End(None));
        }
        let Blocked::All(missing) = missing::block_piece(connection, last).await? else {
            return Ok(Step::MissingUsersRemain);
        };
        let sums = ledger::sums(&mut *connection, self.tenant, self.job).await?;
        let (state, counts) = decide_final(&self.split, &sums, missing);
        self.end(connection, state, counts, missing).await
    }

    async fn end(
        &self,
        connection: &mut PgConnection,
        state: JobState,
        counts: Counts,
        missing: MissingResult,
    ) -> Result<Step, sqlx::Error> {
        let Self { tenant, job, split } = self;
        let statement = sqlx::query(sql::FINISH_JOB).bind(tenant.0).bind(job.0).bind(state.as_str());
        let statement = bind_counts(statement, &counts).bind(missing.kept.map(u64::cast_signed));
        if statement.execute(&mut *connection).await?.rows_affected() == 0 {
            // The job is being stopped. What was decided here must not stay.
            return if split.waiting_rows > 0 || split.blocks_missing_users {
                Err(Retry::Changed.into())
            } else {
                Ok(Step::End(None))
            };
        }
        if split.blocks_missing_users {
            sqlx::query(sql::CLEAR_NAMED_USERS).bind(tenant.0).bind(job.0).execute(&mut *connection).await?;
        }
        end(connection, *tenant, *job, state, counts).await.map(|finished| Step::End(Some(finished)))
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
        missing::forget(connection, tenant, job).await?;
        let sums = ledger::sums(&mut *connection, tenant, job).await?;
        let counts = sums.counts;
        let statement = bind_counts(sqlx::query(sql::COMPLETE_STOP).bind(tenant.0).bind(job.0), &counts);
        let statement = statement.bind(sums.bytes.cast_signed());
        let Some(row) = statement.fetch_optional(&mut *connection).await? else { return Ok(None) };
        let state: &str = row.try_get("state")?;
        let Some(state) = JobState::parse(state) else { return Ok(None) };
        end(connection, tenant, job, state, counts).await.map(Some)
    }
}

/// Locks a complete job and claims the extra batch at its end. False if another process does so: it ends the job.
async fn begin_final_batch(connection: &mut PgConnection, last: &FinalBatch) -> Result<bool, sqlx::Error> {
    Ok(lock_complete_job(connection, last).await? && waiting::claim_final_batch(connection, last).await?)
}

/// Locks a complete job. False if another process has locked it, or if it is being stopped.
async fn lock_complete_job(connection: &mut PgConnection, last: &FinalBatch) -> Result<bool, sqlx::Error> {
    let statement = sqlx::query(sql::LOCK_COMPLETE_JOB).bind(last.tenant.0).bind(last.job.0);
    Ok(statement.fetch_optional(connection).await?.is_some())
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

/// The tenant's first unfinished job, which can start.
pub(super) async fn first_unfinished(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> Result<Option<JobId>, sqlx::Error> {
    let id: Option<i64> = sqlx::query_scalar(sql::FIRST_UNFINISHED).bind(tenant.0).fetch_one(connection).await?;
    Ok(id.map(JobId))
}
