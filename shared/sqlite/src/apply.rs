//! Applies a batch: row by row, in line order, in one transaction.
//!
//! There is one writer, so nothing can come between a look-up and a write, and the order of the
//! rows is all that decides conflicts. `shared/postgres` must come to the same users and counts.

use async_trait::async_trait;
use muster_domain::field::{FIELD_COUNT, SPIGIT_FIELD_COUNT};
use muster_domain::profile::{Profile, StoredUser, Version, fold};
use muster_domain::{
    BatchNo, CheckedRow, Counts, Dialect, Field, Handling, JobId, JobState, Rejection, RejectionCode, TenantId,
};
use muster_ports::{Applied, BatchToApply, Batches, JobRules, StoreError};
use muster_runtime::failpoint;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use crate::splits::{read_cut, read_dialect, read_format, read_titles};
use crate::sql;
use crate::store::SqliteStore;

#[async_trait]
impl Batches for SqliteStore {
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError> {
        let row: Option<(i64, String, String, String, String, String, bool)> = self
            .read(move |db| {
                let read = |row: &Row<'_>| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
                };
                db.prepare_cached(sql::JOB_RULES)?.query_row([job.0], read).optional()
            })
            .await?;
        row.map(|(tenant, dialect, handling, titles, cut, format, blocks_missing)| {
            Ok(JobRules {
                tenant: TenantId(tenant),
                dialect: read_dialect(&dialect)?,
                handling: Handling::parse(&handling).ok_or(StoreError::Unreadable("the handling of a job"))?,
                format: read_format(&format)?,
                titles: read_titles(&titles)?,
                record: read_cut(&cut)?.record,
                blocks_missing,
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

    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let uids = serde_json::to_string(&uids).map_err(|_| StoreError::Unreadable("the uids of a batch"))?;
        self.read(move |db| {
            let mut statement = db.prepare_cached(sql::PROBE_NEW_UIDS)?;
            statement.query_map(params![tenant.0, job.0, batch.0, uids], |row| row.get(0))?.collect()
        })
        .await
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
    let mut statements = Statements::prepare(db, batch.rows.dialect())?;
    for row in batch.rows.rows() {
        match apply_row(db, &mut statements, batch, row) {
            Ok(Ok(outcome)) => {
                statements.expects_new = outcome.created > 0 && !row.is_found_by_uid();
                counts.add(&outcome);
            }
            Ok(Err(rejection)) => {
                counts.failed += 1;
                insert_rejection(db, batch, &rejection)?;
            }
            // SQLite undoes the statement that failed, not the transaction.
            Err(error) if batch.isolate_rows && !crate::error::is_transient(&error) => {
                counts.failed += 1;
                let refused = row.reject(None, RejectionCode::NotApplied, "the database refused this row");
                insert_rejection(db, batch, &refused)?;
            }
            Err(error) => return Err(error),
        }
    }
    failpoint!(blocking "users_written");
    let named = if batch.notes_named { Some(named_ids(db, batch)?) } else { None };
    settle(db, batch, &counts, named.as_deref())?;
    Ok(Applied::Now(counts))
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
        let mut sums = [0; 7];
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum = row.get::<_, i64>(index)?.cast_unsigned();
        }
        Ok(Counts::from_array(sums))
    };
    db.prepare_cached(sql::LEDGER_COUNTS)?.query_row(values, read).optional()
}

/// The statements of every row. Finding one in the cache means hashing its text, which is long.
struct Statements<'db> {
    by_key: CachedStatement<'db>,
    writes: Writes<'db>,
    /// Whether the row before was of a new user. The next is then taken for one too, and looked up only if the
    /// unique indexes refuse it: the result is the same, and a file of new users needs no look-up.
    expects_new: bool,
}

struct Writes<'db> {
    insert: CachedStatement<'db>,
    update: CachedStatement<'db>,
}

impl<'db> Statements<'db> {
    fn prepare(db: &'db Connection, dialect: Dialect) -> rusqlite::Result<Self> {
        let (by_key, insert) = match dialect {
            Dialect::Spigit => (sql::PROBE_USER, sql::INSERT_SPIGIT_USER),
            Dialect::Collaborator => (sql::PROBE_USER_BY_UID, sql::INSERT_USER),
        };
        let writes = Writes { insert: db.prepare_cached(insert)?, update: db.prepare_cached(sql::UPDATE_USER)? };
        Ok(Self { by_key: db.prepare_cached(by_key)?, writes, expects_new: false })
    }
}

/// The outcome of a row, or why it fails.
fn apply_row(
    db: &Connection,
    statements: &mut Statements<'_>,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
) -> rusqlite::Result<Result<Counts, Rejection>> {
    let Statements { by_key, writes, expects_new } = statements;
    if *expects_new && row.missing_for_new().is_none() {
        let folded = fold(None, [row]);
        if write_user(writes, None, batch, row, &folded.profile)? {
            return Ok(Ok(folded.counts));
        }
    }
    let mut found = by_key.query(params![batch.tenant.0, row.key()])?;
    if let Some(user) = found.next()? {
        return write_row(db, writes, batch, row, Some(&read_user(user)?));
    }
    let Some(login) = row.username_key().filter(|_| row.is_found_by_uid()) else {
        return write_row(db, writes, batch, row, None);
    };
    // A login of the Collaborator API names a user who has no uid yet.
    let mut probe = db.prepare_cached(sql::PROBE_USER)?;
    let mut found = probe.query(params![batch.tenant.0, login])?;
    let stored = found.next()?.map(read_user).transpose()?;
    let stored = stored.filter(|user| user.profile.value(Field::Uid).is_none());
    write_row(db, writes, batch, row, stored.as_ref())
}

fn write_row(
    db: &Connection,
    writes: &mut Writes<'_>,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    stored: Option<&StoredUser<'_>>,
) -> rusqlite::Result<Result<Counts, Rejection>> {
    if let (None, Some(field)) = (stored, row.missing_for_new()) {
        let name = row.name_of(field);
        return Ok(Err(row.reject(Some(name), RejectionCode::ValueEmpty, format!("{name} is missing"))));
    }
    let folded = fold(stored.map(|user| &user.profile), [row]);
    if folded.written_by.is_none() {
        return Ok(Ok(folded.counts));
    }
    if stored.is_some_and(|user| user.version >= Version::new(batch.job, row.line())) {
        tracing::error!(job = %batch.job, batch = %batch.batch, "a later row has written a user before an earlier one");
        return Ok(Ok(Counts { unchanged: 1, ..Counts::default() }));
    }
    let id = stored.map(|user| user.id);
    if write_user(writes, id, batch, row, &folded.profile)? {
        return Ok(Ok(folded.counts));
    }
    let taken = params![batch.tenant.0, folded.profile.username_key(), id.unwrap_or(0)];
    let login_is_taken: bool = db.prepare_cached(sql::LOGIN_IS_TAKEN)?.query_row(taken, |row| row.get(0))?;
    let (field, code) = if login_is_taken {
        (Field::Username, RejectionCode::ConflictLogin)
    } else {
        (Field::Email, RejectionCode::ConflictEmail)
    };
    let name = row.name_of(field);
    Ok(Err(row.reject(Some(name), code, format!("{name} belongs to another user"))))
}

fn write_user(
    writes: &mut Writes<'_>,
    id: Option<i64>,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
    profile: &Profile<'_>,
) -> rusqlite::Result<bool> {
    let attributes = profile.attributes_json();
    let head = [
        Param::Number(batch.tenant.0),
        Param::Number(batch.job.0),
        Param::Number(row.line().cast_signed()),
        Param::Text(Some(profile.username_key())),
        Param::Text(profile.email_key()),
    ];
    // A new user of a Spigit file has the fields of such a file only, and no password.
    let (statement, fields, last) = match (id, batch.rows.dialect()) {
        (Some(id), _) => (&mut writes.update, FIELD_COUNT, Some(Param::Number(id))),
        (None, Dialect::Spigit) => (&mut writes.insert, SPIGIT_FIELD_COUNT, None),
        (None, Dialect::Collaborator) => (&mut writes.insert, FIELD_COUNT, Some(Param::Text(profile.password_hash()))),
    };
    let values = profile.values()[..fields].iter().copied().chain([attributes.as_deref()]).map(Param::Text);
    let values = head.into_iter().chain(values).chain(last);
    let written = statement.execute(params_from_iter(values))?;
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
    let username_key = text(3)?.unwrap_or_default();
    let profile = Profile::stored(values, username_key, text(4)?, text(FIELD_COUNT + 5)?).map_err(|error| {
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
        rejection.message,
        rejection.row.map(u64::cast_signed)
    ];
    db.prepare_cached(sql::INSERT_REJECTION)?.execute(values).map(drop)
}

/// The ids of the users whom the rows name, whatever became of the rows, as a JSON array.
fn named_ids(db: &Connection, batch: &BatchToApply) -> rusqlite::Result<String> {
    let keys: Vec<&str> = batch.rows.rows().map(|row| row.key()).chain(batch.rows.named()).collect();
    let keys = serde_json::Value::from(keys).to_string();
    db.prepare_cached(sql::PROBE_IDS_BY_UID)?.query_row(params![batch.tenant.0, keys], |row| row.get(0))
}

fn settle(db: &Connection, batch: &BatchToApply, counts: &Counts, named: Option<&str>) -> rusqlite::Result<()> {
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
        counts.warnings.cast_signed(),
        counts.blocked.cast_signed(),
        counts.unblocked.cast_signed(),
        named,
        batch.rows.unnamed().cast_signed()
    ];
    db.prepare_cached(sql::SETTLE_BATCH)?.execute(values).map(drop)
}
