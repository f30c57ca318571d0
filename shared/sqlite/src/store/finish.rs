//! The end of a job: waiting rows are decided, missing users are blocked, and it becomes final.

use muster_domain::decision::{MissingResult, SplitSummary, can_tell_missing, covers_file, decide_final};
use muster_domain::{BatchNo, Counts, JobId, JobState, TenantId, row_shape};
use muster_ports::FinishedJob;
use muster_runtime::failpoint;
use muster_sql::jobs as stored;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::connection::row::decode;
use crate::hand_over;
use crate::ledger;
use crate::missing::{self, Blocked};
use crate::sql;
use crate::waiting::{self, FinalBatch};

/// What a transaction of the end of a job has done.
pub(super) enum Step {
    /// The last one: the job is final. `None` if it cannot end now.
    End(Option<FinishedJob>),
    /// Further missing users are to be blocked.
    MissingUsersRemain,
}

/// Does one transaction of the end of a job, if its batches are all in the ledger.
pub(super) fn finish(db: &Connection, job: JobId) -> rusqlite::Result<Step> {
    let mut complete = db.prepare_cached(sql::FIND_COMPLETE_JOB)?;
    let complete = complete.query_row([job.0], decode(|row| stored::split_summary(row))).optional()?;
    let Some((tenant, split)) = complete else { return Ok(Step::End(None)) };
    let batch = BatchNo(u32::try_from(split.batches + 1).unwrap_or(u32::MAX));
    let last = FinalBatch { tenant, job, batch, end_offset: split.bytes, shape: row_shape(split.dialect) };
    let mut sums = ledger::sums(db, tenant, job)?;
    let blocked = if split.missing_users_are_decided {
        let blocked = missing::block_piece(db, &last)?;
        sums = ledger::sums(db, tenant, job)?;
        blocked
    } else {
        if !covers_file(&split, &sums) {
            tracing::error!(%job, "the ledger has all batches but not the whole file; the job waits for repair");
            return Ok(Step::End(None));
        }
        if split.waiting_rows > 0 {
            hand_over::decide_all(db, &last)?;
            failpoint!(blocking "waiting_decided");
            sums = ledger::sums(db, tenant, job)?;
        }
        if can_tell_missing(&split, &sums) {
            missing::decide(db, &last)?
        } else {
            Blocked::All(MissingResult::default())
        }
    };
    let Blocked::All(missing) = blocked else { return Ok(Step::MissingUsersRemain) };
    failpoint!(blocking "missing_blocked");
    end_as_decided(db, (tenant, job), &split, decide_final(&split, &sums, missing), missing).map(Step::End)
}

/// Makes a job final.
fn end_as_decided(
    db: &Connection,
    (tenant, job): (TenantId, JobId),
    split: &SplitSummary,
    (state, counts): (JobState, Counts),
    missing: MissingResult,
) -> rusqlite::Result<Option<FinishedJob>> {
    let head = [Value::from(tenant.0), Value::from(job.0), Value::from(state.as_str().to_owned())];
    let values = head
        .into_iter()
        .chain(counts.to_array().map(|count| Value::from(count.cast_signed())))
        .chain([Value::from(missing.kept.map(u64::cast_signed))]);
    if db.execute(sql::FINISH_JOB, params_from_iter(values))? == 0 {
        return Ok(None);
    }
    if split.blocks_missing_users {
        db.execute(sql::CLEAR_NAMED_USERS, params![tenant.0, job.0])?;
    }
    end(db, tenant, job, state, counts).map(Some)
}

/// Ends a job whose stop was started.
pub(crate) fn complete_stop(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<Option<FinishedJob>> {
    end_waiting(db, tenant, job)?;
    missing::forget(db, tenant, job)?;
    let sums = ledger::sums(db, tenant, job)?;
    let counts = sums.counts;
    let values = [tenant.0, job.0].into_iter().chain(counts.to_array().map(u64::cast_signed));
    let values = values.chain([sums.bytes.cast_signed()]);
    let read = decode(|row| stored::job_state(row, "state"));
    let state = db.query_row(sql::COMPLETE_STOP, params_from_iter(values), read).optional()?;
    state.map(|state| end(db, tenant, job, state, counts)).transpose()
}

/// Decides about the waiting rows of a job that is being stopped because its file is unreadable, or drops those of a
/// canceled job.
fn end_waiting(db: &Connection, tenant: TenantId, job: JobId) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql::FIND_STOPPED_JOB)?;
    let stopped = statement.query_row(params![tenant.0, job.0], decode(|row| stored::stopped_job(row))).optional()?;
    let Some(stopped) = stopped.filter(|stopped| stopped.has_waiting) else { return Ok(()) };
    if !stopped.is_unreadable {
        return waiting::delete(db, tenant, job);
    }
    let batch = BatchNo(u32::try_from(stopped.last_batch + 1).unwrap_or(u32::MAX));
    let last = FinalBatch { tenant, job, batch, end_offset: stopped.end_offset, shape: row_shape(stopped.dialect) };
    hand_over::decide_all(db, &last)
}

/// Finds the next job of the tenant of a job that has become final.
fn end(
    db: &Connection,
    tenant: TenantId,
    job: JobId,
    state: JobState,
    counts: Counts,
) -> rusqlite::Result<FinishedJob> {
    Ok(FinishedJob { job, state, counts, next: first_unfinished(db, tenant)? })
}

/// The tenant's first unfinished job, which can start.
pub(super) fn first_unfinished(db: &Connection, tenant: TenantId) -> rusqlite::Result<Option<JobId>> {
    let id: Option<i64> = db.prepare_cached(sql::FIRST_UNFINISHED)?.query_row([tenant.0], |row| row.get(0))?;
    Ok(id.map(JobId))
}
