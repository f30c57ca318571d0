//! Applies a batch: row by row, in line order, in one transaction.
//!
//! There is one writer, so nothing can come between a look-up and a write, and the order of the
//! rows is all that decides conflicts. `shared/postgres` must come to the same users and counts.

use async_trait::async_trait;
use muster_domain::field::FIELD_COUNT;
use muster_domain::profile::{Profile, StoredUser, Version, fold};
use muster_domain::{BatchNo, CheckedRow, Counts, Handling, JobId, JobState, Rejection, RejectionCode, TenantId};
use muster_ports::{Applied, BatchToApply, Batches, JobRules, StoreError};
use muster_runtime::failpoint;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use crate::splits::{read_cut, read_dialect, read_titles};
use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Batches for SqliteStore {
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError> {
        let row: Option<(i64, String, String, String, String)> = self
            .read(move |db| {
                let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
                db.prepare_cached(sql::JOB_RULES)?.query_row([job.0], read).optional()
            })
            .await?;
        row.map(|(tenant, dialect, handling, titles, cut)| {
            Ok(JobRules {
                tenant: TenantId(tenant),
                dialect: read_dialect(&dialect)?,
                handling: Handling::parse(&handling).ok_or(StoreError::Unreadable("the handling of a job"))?,
                titles: read_titles(&titles)?,
                record: read_cut(&cut)?.record,
            })
        })
        .transpose()
    }

    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        self.read(move |db| {
            db.prepare_cached(sql::COUNT_ATTEMPTS)?.query_row(params![job.0, batch.0], |row| row.get(0))
        })
        .await
    }

    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        self.write(move |db| {
            db.prepare_cached(sql::RECORD_ATTEMPT)?.query_row(params![job.0, batch.0], |row| row.get(0))
        })
        .await
    }

    async fn forget_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError> {
        self.write(move |db| db.execute(sql::FORGET_ATTEMPT, params![job.0, batch.0]).map(drop)).await
    }

    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError> {
        let job = batch.job;
        let applied = self.write(move |db| apply(db, &batch)).await?;
        if matches!(applied, Applied::Now(_)) {
            // Nobody waiting is no error.
            let _ = self.signals.send(job);
        }
        Ok(applied)
    }
}

fn apply(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<Applied> {
    if !is_running(db, batch)? {
        return Ok(Applied::NotRunning);
    }
    if let Some(counts) = ledger_counts(db, batch)? {
        return Ok(Applied::Before(counts));
    }
    let mut counts = batch.rows.initial_counts();
    for rejection in batch.rows.rejections() {
        insert_rejection(db, batch, rejection)?;
    }
    for row in batch.rows.rows() {
        match apply_row(db, batch, row) {
            Ok(Some(outcome)) => counts.add(&outcome),
            Ok(None) => {
                counts.failed += 1;
                let column = Some("EMAIL".to_owned());
                insert_rejection(
                    db,
                    batch,
                    &reject(row, column, RejectionCode::ConflictEmail, "EMAIL belongs to another user"),
                )?;
            }
            // SQLite undoes the statement that failed, not the transaction.
            Err(error) if batch.isolate_rows && !crate::error::is_transient(&error) => {
                counts.failed += 1;
                insert_rejection(
                    db,
                    batch,
                    &reject(row, None, RejectionCode::NotApplied, "the database refused this row"),
                )?;
            }
            Err(error) => return Err(error),
        }
    }
    failpoint!(blocking "users_written");
    settle(db, batch, &counts)?;
    Ok(Applied::Now(counts))
}

fn reject(row: CheckedRow<'_>, column: Option<String>, code: RejectionCode, message: &str) -> Rejection {
    Rejection { line: row.line(), column, code, message: message.to_owned() }
}

fn is_running(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<bool> {
    let found: Option<(String, bool)> = db
        .prepare_cached(sql::SHARE_JOB)?
        .query_row(params![batch.tenant.0, batch.job.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.is_some_and(|(state, stopping)| state == JobState::Processing.as_str() && !stopping))
}

fn ledger_counts(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<Option<Counts>> {
    let values = params![batch.tenant.0, batch.job.0, batch.batch.0];
    let read = |row: &Row<'_>| {
        let count = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
        Ok(Counts {
            created: count(0)?,
            updated: count(1)?,
            unchanged: count(2)?,
            failed: count(3)?,
            warnings: count(4)?,
        })
    };
    db.prepare_cached(sql::LEDGER_COUNTS)?.query_row(values, read).optional()
}

/// The outcome of a row; nothing if its e-mail belongs to another user.
fn apply_row(db: &Connection, batch: &BatchToApply, row: CheckedRow<'_>) -> rusqlite::Result<Option<Counts>> {
    let mut probe = db.prepare_cached(sql::PROBE_USER)?;
    let mut found = probe.query(params![batch.tenant.0, row.key()])?;
    let stored = found.next()?.map(read_user).transpose()?;
    let folded = fold(stored.as_ref().map(|user| &user.profile), [row]);
    if folded.written_by.is_none() {
        return Ok(Some(folded.counts));
    }
    if stored.as_ref().is_some_and(|user| user.version >= Version::new(batch.job, row.line())) {
        tracing::error!(job = %batch.job, batch = %batch.batch, "a later row has written a user before an earlier one");
        return Ok(Some(Counts { unchanged: 1, ..Counts::default() }));
    }
    let statement = if stored.is_some() { sql::UPDATE_USER } else { sql::INSERT_USER };
    let written = write_user(db, statement, batch, row, &folded.profile)?;
    Ok(written.then_some(folded.counts))
}

fn write_user(
    db: &Connection,
    statement: &str,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    profile: &Profile<'_>,
) -> rusqlite::Result<bool> {
    let attributes = profile.attributes_json();
    let head = [
        Param::Number(batch.tenant.0),
        Param::Number(batch.job.0),
        Param::Number(row.line().cast_signed()),
        Param::Text(Some(row.key())),
        Param::Text(Some(profile.email_key())),
    ];
    let values = profile.values().iter().copied().chain([attributes.as_deref()]).map(Param::Text);
    let written = db.prepare_cached(statement)?.execute(params_from_iter(head.into_iter().chain(values)))?;
    Ok(written > 0)
}

/// A borrowed parameter.
enum Param<'a> {
    Number(i64),
    Text(Option<&'a str>),
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Text(None) => ValueRef::Null,
        }))
    }
}

/// Reads a row of `probe_user.sql`, borrowing its texts.
fn read_user<'a>(row: &'a Row<'_>) -> rusqlite::Result<StoredUser<'a>> {
    let text = |index| row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from);
    let mut values = [None; FIELD_COUNT];
    for (index, value) in values.iter_mut().enumerate() {
        *value = text(index + 5)?;
    }
    let email_key = text(4)?.unwrap_or_default();
    let profile = Profile::stored(values, email_key, text(FIELD_COUNT + 5)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(FIELD_COUNT + 5, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(StoredUser { id: row.get(0)?, version: Version { job: row.get(1)?, line: row.get(2)? }, profile })
}

fn insert_rejection(db: &Connection, batch: &BatchToApply, rejection: &Rejection) -> rusqlite::Result<()> {
    let values = params![
        batch.tenant.0,
        batch.job.0,
        rejection.line.cast_signed(),
        rejection.column,
        rejection.code.as_str(),
        rejection.message
    ];
    db.prepare_cached(sql::INSERT_REJECTION)?.execute(values).map(drop)
}

fn settle(db: &Connection, batch: &BatchToApply, counts: &Counts) -> rusqlite::Result<()> {
    let values = params![
        batch.tenant.0,
        batch.job.0,
        batch.batch.0,
        batch.first_offset.cast_signed(),
        batch.end_offset.cast_signed(),
        counts.created.cast_signed(),
        counts.updated.cast_signed(),
        counts.unchanged.cast_signed(),
        counts.failed.cast_signed(),
        counts.warnings.cast_signed()
    ];
    db.prepare_cached(sql::SETTLE_BATCH)?.execute(values).map(drop)
}
