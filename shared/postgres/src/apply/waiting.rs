//! Rows that wait, because they want the e-mail or the login of another user, and the decision about them at the end.
//!
//! The decision is part of the transaction that makes the job final. By then every batch of the job is in the ledger. If
//! the transaction fails, nothing has changed, and the next process to finish the job starts again.

use std::collections::HashMap;

use muster_domain::decision::{RowKeys, reject_unwritable_row};
use muster_domain::hand_over::{self, Decisions, NumberedRow, Waiting};
use muster_domain::plan::{Existing, Plan, plan_decided};
use muster_domain::shape::{Identity, RowShape};
use muster_domain::waiting::{WaitingClaims, from_json, to_json};
use muster_domain::{BatchNo, CheckedRow, JobId, Rejection, RejectionCode, TenantId};
use muster_ports::BatchToApply;
use muster_sql::jobs;
use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row as _};

use super::lookup::LookupLevel;
use super::{Tally, bulk, probe, row_by_row, users_are_indexed};
use crate::connection::error::{MissingIndex, is_data_error};
use crate::connection::query::{Row, unreadable};
use crate::ledger;
use crate::sql;
use crate::statements::for_shape;

/// How many rows are written together at the end, unless more exchange values with each other.
const PIECE_ROWS: usize = 2_000;

/// A row to be stored until the end of its job.
pub(crate) struct WaitingRow {
    line: u64,
    key: String,
    email_key: Option<String>,
    login_key: Option<String>,
    is_complete: bool,
    json: String,
}

impl WaitingRow {
    pub(super) fn new(row: &CheckedRow<'_>) -> Self {
        Self {
            line: row.line(),
            key: row.key().to_owned(),
            email_key: row.email_key().map(str::to_owned),
            login_key: RowKeys::new(row).login.map(str::to_owned),
            is_complete: row.unset_required_field().is_none(),
            json: to_json(row),
        }
    }
}

/// What those waiting rows of the job name and want that concern the rows of the batch.
pub(super) async fn claims(connection: &mut PgConnection, batch: &BatchToApply) -> Result<WaitingClaims, sqlx::Error> {
    let keys: Vec<&str> = batch.rows.rows().map(|row| row.key()).collect();
    let emails: Vec<&str> = batch.rows.rows().filter_map(|row| row.email_key()).collect();
    let logins: Vec<&str> = batch.rows.rows().filter_map(|row| RowKeys::new(&row).login).collect();
    let statement = sqlx::query(sql::PROBE_WAITING).bind(batch.tenant.0).bind(batch.job.0);
    let found = statement.bind(keys).bind(emails).bind(logins).fetch_all(connection).await?;
    let mut claims = WaitingClaims::default();
    for row in &found {
        claims.add_keys(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    }
    Ok(claims)
}

/// Stores the waiting rows of a batch.
pub(super) async fn insert(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    rows: &[WaitingRow],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(sql::INSERT_WAITING)
        .bind(batch.tenant.0)
        .bind(batch.job.0)
        .bind(rows.iter().map(|row| row.line.cast_signed()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.email_key.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.login_key.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.is_complete).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.json.as_str()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// The extra batch at the end of a job.
#[derive(Clone, Copy)]
pub(crate) struct FinalBatch {
    pub(crate) tenant: TenantId,
    pub(crate) job: JobId,
    pub(crate) batch: BatchNo,
    pub(crate) end_offset: u64,
    pub(crate) shape: RowShape,
}

/// Claims the extra batch. False if another transaction has done so.
pub(crate) async fn claim_final_batch(connection: &mut PgConnection, last: &FinalBatch) -> Result<bool, sqlx::Error> {
    let claimed = sqlx::query(sql::CLAIM_FINAL_BATCH)
        .bind(last.tenant.0)
        .bind(last.job.0)
        .bind(last.batch.0.cast_signed())
        .bind(last.end_offset.cast_signed())
        .execute(connection)
        .await?;
    Ok(claimed.rows_affected() > 0)
}

/// Decides about all waiting rows of the job and writes what they change.
pub(crate) async fn decide_all(connection: &mut PgConnection, last: &FinalBatch) -> Result<(), sqlx::Error> {
    let mut failed = HashMap::new();
    let mut one_by_one = false;
    let tally = loop {
        connection.execute("savepoint hand_over").await?;
        match attempt(connection, last, &failed, one_by_one).await {
            Ok(tally) => break tally,
            // The rows of the database are at fault: find out which. Nothing is written meanwhile.
            Err(AttemptError::Database(error)) if is_data_error(&error) && !one_by_one => one_by_one = true,
            Err(AttemptError::Database(error)) => return Err(error),
            Err(AttemptError::Failed(rejections)) => failed.extend(rejections.into_iter().map(|r| (r.line, r))),
        }
        connection.execute("rollback to savepoint hand_over").await?;
    };
    if !users_are_indexed(connection).await? {
        return Err(MissingIndex.into());
    }
    let batch = last.with_rows(&[])?;
    ledger::insert_rejections(connection, &batch, &tally.rejections).await?;
    ledger::insert_warnings(connection, &batch, &tally.warnings).await?;
    name_holders(connection, last, &tally.rejections).await?;
    ledger::write_counts(connection, &batch, &tally.counts, 0, &[]).await?;
    delete(connection, last.tenant, last.job).await
}

/// Records in the rejections who has what the rows wanted.
async fn name_holders(
    connection: &mut PgConnection,
    last: &FinalBatch,
    rejections: &[Rejection],
) -> Result<(), sqlx::Error> {
    for (code, statement) in [
        (RejectionCode::ConflictEmail, sql::NAME_EMAIL_HOLDERS),
        (RejectionCode::ConflictLogin, sql::NAME_LOGIN_HOLDERS),
    ] {
        if rejections.iter().any(|rejection| rejection.code == code) {
            sqlx::query(statement).bind(last.tenant.0).bind(last.job.0).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Drops the waiting rows of a job.
pub(crate) async fn delete(connection: &mut PgConnection, tenant: TenantId, job: JobId) -> Result<(), sqlx::Error> {
    sqlx::query(sql::DELETE_WAITING).bind(tenant.0).bind(job.0).execute(connection).await.map(drop)
}

/// Why an attempt to apply the decisions ends.
enum AttemptError {
    /// These rows fail although they were to be applied. The decisions are to be made again without them.
    Failed(Vec<Rejection>),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for AttemptError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

async fn attempt(
    connection: &mut PgConnection,
    last: &FinalBatch,
    failed: &HashMap<u64, Rejection>,
    one_by_one: bool,
) -> Result<Tally, AttemptError> {
    let numbers = number(connection, last).await?;
    let lines = |positions: &[usize]| positions.iter().map(|position| numbers[*position].line).collect::<Vec<_>>();
    let decisions = hand_over::decide(&Waiting::from_numbers(&numbers, |line| failed.contains_key(&line)));
    let mut tally = Tally::of_decided_rows();
    let piece_rows = if one_by_one { 1 } else { PIECE_ROWS };
    for piece in pieces(&decisions, piece_rows) {
        let batch = load(connection, last, &lines(&piece)).await?;
        match apply_piece(connection, &batch, &mut tally).await {
            Err(error) if one_by_one && is_data_error(&error) => {
                return Err(AttemptError::Failed(batch.rows.rows().map(|row| reject_unwritable_row(&row)).collect()));
            }
            result => result?,
        }
        if !tally.rejections.is_empty() {
            return Err(AttemptError::Failed(tally.rejections));
        }
    }
    for rejected in decisions.rejected.chunks(PIECE_ROWS) {
        let reasons: HashMap<u64, _> = rejected.iter().map(|(row, reason)| (numbers[*row].line, *reason)).collect();
        let lines: Vec<u64> = reasons.keys().copied().collect();
        let batch = load(connection, last, &lines).await?;
        for row in batch.rows.rows() {
            let rejection = failed.get(&row.line()).cloned();
            tally.reject(rejection.unwrap_or_else(|| hand_over::reject(&row, reasons[&row.line()])));
        }
    }
    connection.execute(sql::ALLOW_ALL_PLANS).await?;
    Ok(tally)
}

async fn number(connection: &mut PgConnection, last: &FinalBatch) -> Result<Vec<NumberedRow>, sqlx::Error> {
    connection.execute(sql::ALLOW_ALL_PLANS).await?;
    let statement = for_shape(last.shape.identity, last.shape.columns).number_waiting.as_str();
    let rows = sqlx::query(statement).bind(last.tenant.0).bind(last.job.0).fetch_all(connection).await?;
    rows.into_iter().map(|row| jobs::numbered_row(&Row(row)).map_err(unreadable)).collect()
}

/// The rows to be applied, in pieces that do not divide rows which exchange values.
fn pieces(decisions: &Decisions, rows: usize) -> Vec<Vec<usize>> {
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    for group in &decisions.groups {
        match pieces.last_mut() {
            Some(piece) if piece.len() + group.len() <= rows => piece.extend(group),
            _ => pieces.push(group.clone()),
        }
    }
    pieces
}

/// Reads waiting rows as a batch.
async fn load(connection: &mut PgConnection, last: &FinalBatch, lines: &[u64]) -> Result<BatchToApply, sqlx::Error> {
    connection.execute(sql::ALLOW_ONLY_LOOKUP_PLANS).await?;
    let lines: Vec<i64> = lines.iter().map(|line| line.cast_signed()).collect();
    let statement = sqlx::query_scalar(sql::WAITING_ROWS).bind(last.tenant.0).bind(last.job.0).bind(lines);
    last.with_rows(&statement.fetch_all(connection).await?)
}

impl FinalBatch {
    fn with_rows(&self, rows: &[String]) -> Result<BatchToApply, sqlx::Error> {
        let rows = from_json(self.shape, rows.iter().map(String::as_str));
        Ok(BatchToApply {
            tenant: self.tenant,
            job: self.job,
            batch: self.batch,
            first_offset: self.end_offset,
            end_offset: self.end_offset,
            rows: rows.map_err(|error| sqlx::Error::Decode(error.into()))?.into(),
            row_by_row: false,
            records_named_users: false,
            publication: None,
        })
    }
}

/// Writes rows that are to be applied. Their users first give up the e-mails and logins that they are about to change.
async fn apply_piece(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    tally: &mut Tally,
) -> Result<(), sqlx::Error> {
    let (found, unchanged) = probe::Found::look_up(connection, batch, LookupLevel::Holders).await?;
    let existing = found.existing(batch.rows.identity(), unchanged)?;
    let plan = plan_decided(batch.job, &batch.rows, &existing);
    release(connection, batch, &plan, &existing).await?;
    tally.counts.add(&plan.unchanged);
    bulk::update(connection, batch, &plan.updates, tally).await?;
    let conflicting = bulk::insert(connection, batch, plan.inserts, LookupLevel::AroundConflicts, tally).await?;
    let mut rows = plan.contested;
    rows.extend(conflicting);
    rows.sort_unstable_by_key(CheckedRow::line);
    row_by_row::apply(connection, batch, rows, tally).await
}

async fn release(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    plan: &Plan<'_>,
    existing: &Existing<'_>,
) -> Result<(), sqlx::Error> {
    let updates = plan.updates.iter().map(|(stored, write)| (stored.id, &write.merged.profile));
    let adopted = plan.contested.iter().filter_map(|row| {
        let id = existing.login_holders.get(RowKeys::new(row).login?)?;
        Some((*id, row.email_key()?))
    });
    let emails = updates.clone().filter_map(|(id, profile)| Some((id, profile.email_key()?))).chain(adopted);
    release_values(connection, batch, sql::RELEASE_EMAILS, emails.unzip()).await?;
    if batch.rows.identity() == Identity::Uid {
        let logins = updates.map(|(id, profile)| (id, profile.username_key()));
        release_values(connection, batch, sql::RELEASE_LOGINS, logins.unzip()).await?;
    }
    Ok(())
}

async fn release_values(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    statement: &'static str,
    (ids, values): (Vec<i64>, Vec<&str>),
) -> Result<(), sqlx::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(statement).bind(batch.tenant.0).bind(ids).bind(values).execute(connection).await.map(drop)
}
