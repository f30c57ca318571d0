//! Applies a batch: job, ledger, users, rejections, in one transaction and in this order of locks.
//!
//! | step | file |
//! | --- | --- |
//! | job row shared, batch claimed in the ledger | here and [`crate::ledger`] |
//! | how much is looked up | [`lookup`] |
//! | which users exist, who holds which e-mail | [`probe`] |
//! | changed and new users in bulk | [`bulk`], rows in COPY form by [`copy`], a few by [`user`] |
//! | contested users row by row | [`row_by_row`], each by [`user`] |
//! | rows that want what another user has | [`waiting`] |
//! | rejections, counts, commit | here and [`crate::ledger`] |
//!
//! Concurrent transactions: another delivery of the same batch waits at the claim and then finds the batch claimed.
//! Another batch of the same job cannot touch the same users (epochs), but it may take an e-mail that this batch needs:
//! then the insert fails with 23505, everything is rolled back, and the next attempt looks up more; the last level of
//! lookup inserts around conflicts. A user whose version has changed since it was read causes a rollback too.

mod bulk;
mod copy;
mod lookup;
mod probe;
mod row_by_row;
mod user;
pub(crate) mod waiting;

use std::sync::Arc;
use std::time::Duration;

use muster_domain::decision::accepts_batch;
use muster_domain::plan::plan;
use muster_domain::profile::MergedRows;
use muster_domain::waiting::WaitingClaims;
use muster_domain::warning::MAX_KEPT_WARNINGS;
use muster_domain::{CheckedBatch, CheckedRow, Counts, JobState, Rejection, Warning};
use muster_ports::{Applied, BatchToApply, StoreError};
use muster_runtime::failpoint;
use sqlx::postgres::PgConnection;

use crate::connection::database::Database;
use crate::connection::error::{MissingIndex, Retry, store_error};
use crate::connection::transaction::{self, Work};
use crate::ledger;
use crate::sql;
pub(crate) use lookup::LookupHints;
use lookup::LookupLevel;
use waiting::WaitingRow;

/// Begins a transaction that looks up many keys. The settings leave the planner only one cheap plan: the index of the
/// key (docs/decisions/0005).
///
/// Without them, it may plan a scan while the table is empty, and other batches fill the table before the lookup ends.
/// And while the index of the ids has only one page, it seems the cheapest, although it leads through all users of a
/// tenant. A lookup is ordered by its key, so a plan that may neither scan nor sort must use the index of this key.
pub(crate) const BEGIN_LOOKUPS: &str = "begin; set local enable_seqscan = off; set local enable_sort = off";

/// How often a batch is tried when it conflicts with other transactions.
const MAX_ATTEMPTS: u32 = 8;

/// Applies a batch. Tries again after a conflict with another transaction, up to [`MAX_ATTEMPTS`] times.
pub(crate) async fn apply(
    database: Database,
    hints: Arc<LookupHints>,
    batch: Arc<BatchToApply>,
) -> Result<Applied, StoreError> {
    let mut level = hints.first(batch.job);
    let mut conflicts = 0;
    loop {
        let error = match transaction::run(&database.pool, Apply { batch: batch.clone(), level }).await {
            Ok(applied) => {
                if let Applied::Committed(counts) = &applied {
                    hints.learn(batch.job, level, counts);
                }
                return Ok(applied);
            }
            Err(error) => error,
        };
        let retry = Retry::from_error(&error);
        if retry == Some(Retry::LookUpMore) && level != LookupLevel::AroundConflicts {
            level = level.escalate();
            continue;
        }
        let error = match (store_error(error), retry) {
            (contention @ StoreError::Contention { .. }, _) => contention,
            (_, Some(_)) => StoreError::Contention { code: "40001".to_owned() },
            (error, None) => return Err(database.repair.observe(error)),
        };
        conflicts += 1;
        if conflicts == MAX_ATTEMPTS {
            return Err(error);
        }
        let jitter: f64 = rand::random();
        tokio::time::sleep(Duration::from_millis(20 << conflicts).mul_f64(jitter)).await;
    }
}

/// One attempt.
struct Apply {
    batch: Arc<BatchToApply>,
    level: LookupLevel,
}

impl Work for Apply {
    type Output = Applied;

    const BEGIN: &'static str = BEGIN_LOOKUPS;

    async fn run(self, connection: &mut PgConnection) -> Result<Applied, sqlx::Error> {
        let batch = &*self.batch;
        let Some(job) = lock_running_job(connection, batch).await? else { return Ok(Applied::NotRunning) };
        if !ledger::claim(connection, batch).await? {
            return Ok(Applied::AlreadyApplied(ledger::counts(connection, batch).await?));
        }
        let claims = if job.has_waiting { waiting::claims(connection, batch).await? } else { WaitingClaims::default() };
        // Contested rows are applied after all others, so their values must be known before.
        let level = if claims.is_empty() { self.level } else { self.level.with_holders() };
        let mut tally = Tally::new(&batch.rows, claims);
        write_users(connection, batch, level, &mut tally).await?;
        failpoint!("users_written");
        ledger::insert_rejections(connection, batch, &tally.rejections).await?;
        ledger::insert_warnings(connection, batch, &tally.warnings).await?;
        let named = if batch.records_named_users { probe::named_ids(connection, batch).await? } else { Vec::new() };
        if !users_are_indexed(connection).await? {
            return Err(MissingIndex.into());
        }
        waiting::insert(connection, batch, &tally.waiting).await?;
        ledger::write_counts(connection, batch, &tally.counts, tally.waiting.len() as u64, &named).await?;
        Ok(Applied::Committed(tally.counts))
    }
}

/// What the steps of an attempt add up: counts, rejections and rows that wait.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) rejections: Vec<Rejection>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) waiting: Vec<WaitingRow>,
    /// What the waiting rows of the job name and want, as far as it concerns the rows of the batch.
    claims: WaitingClaims,
    /// Whether a row that wants what another user has fails, because the rest of its file has been applied.
    conflicts_fail: bool,
}

impl Tally {
    fn new(rows: &CheckedBatch, claims: WaitingClaims) -> Self {
        Self {
            counts: rows.initial_counts(),
            rejections: rows.rejections().to_vec(),
            warnings: rows.warnings().to_vec(),
            claims,
            ..Self::default()
        }
    }

    /// The tally of rows about which [`hand_over`](muster_domain::hand_over) has decided.
    pub(crate) fn of_decided_rows() -> Self {
        Self { conflicts_fail: true, ..Self::default() }
    }

    /// Adds the outcomes of rows that were written.
    fn add(&mut self, merged: &MergedRows<'_>) {
        self.counts.add(&merged.counts);
        let room = MAX_KEPT_WARNINGS.saturating_sub(self.warnings.len());
        self.warnings.extend(merged.warnings.iter().take(room).cloned());
    }

    fn wait(&mut self, row: &CheckedRow<'_>) {
        self.claims.add(row);
        self.waiting.push(WaitingRow::new(row));
    }

    pub(crate) fn reject(&mut self, rejection: Rejection) {
        self.counts.failed += 1;
        self.rejections.push(rejection);
    }
}

/// Whether all unique indexes that keep users apart are in force.
async fn users_are_indexed(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(sql::USERS_ARE_INDEXED).fetch_one(connection).await
}

/// A job that takes the batch.
struct RunningJob {
    /// Whether rows of earlier batches wait.
    has_waiting: bool,
}

/// Locks the job row, shared, so that the job is not stopped while the batch is applied. `None` if the job does not take
/// the batch any more.
async fn lock_running_job(
    connection: &mut PgConnection,
    batch: &BatchToApply,
) -> Result<Option<RunningJob>, sqlx::Error> {
    let row: Option<(String, bool, Option<i32>, bool)> =
        sqlx::query_as(sql::LOCK_JOB_SHARED).bind(batch.tenant.0).bind(batch.job.0).fetch_optional(connection).await?;
    let running = row.filter(|(state, stopping, total, _)| {
        let total = total.map(|total| u64::from(total.cast_unsigned()));
        JobState::parse(state).is_some_and(|state| accepts_batch(state, *stopping, total, batch.batch))
    });
    Ok(running.map(|(.., has_waiting)| RunningJob { has_waiting }))
}

async fn write_users(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    level: LookupLevel,
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    if batch.row_by_row {
        return row_by_row::apply_isolated(connection, batch, batch.rows.rows(), tally).await;
    }
    let (found, unchanged) = probe::Found::look_up(connection, batch, level).await?;
    let existing = found.existing(batch.rows.identity(), unchanged)?;
    let plan = plan(batch.job, &batch.rows, &existing, &tally.claims);
    if plan.outdated > 0 {
        log_outdated(batch, plan.outdated);
    }
    tally.counts.add(&plan.unchanged);
    bulk::update(connection, batch, &plan.updates, tally).await?;
    let conflicting = bulk::insert(connection, batch, plan.inserts, level, tally).await?;
    let mut rows = plan.contested;
    rows.extend(conflicting);
    rows.sort_unstable_by_key(muster_domain::CheckedRow::line);
    row_by_row::apply(connection, batch, rows, tally).await
}

fn log_outdated(batch: &BatchToApply, users: u64) {
    tracing::error!(job = %batch.job, batch = %batch.batch, users, "version check failed: user already written by a later row");
}
