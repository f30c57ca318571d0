//! Reads or writes one user by one statement.

use muster_domain::CheckedRow;
use muster_domain::field::FIELD_COUNT;
use muster_domain::profile::{Profile, StoredUser, Version};
use muster_ports::BatchToApply;
use muster_sql::users::UserColumns;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, ToSql, params_from_iter};

use crate::connection::row::unreadable;
use crate::statements::UserStatements;

/// A statement that looks up users, and where its result has their columns.
pub(crate) struct Lookup<'db> {
    pub(crate) statement: CachedStatement<'db>,
    pub(crate) columns: UserColumns,
}

impl<'db> Lookup<'db> {
    pub(crate) fn prepare(db: &'db Connection, statement: &str) -> rusqlite::Result<Self> {
        let statement = db.prepare_cached(statement)?;
        let columns = UserColumns::find(|name| statement.column_index(name).ok()).map_err(unreadable)?;
        Ok(Self { statement, columns })
    }
}

/// Reads a user, borrowing its texts.
pub(crate) fn read<'a>(row: &'a Row<'_>, columns: &UserColumns) -> rusqlite::Result<StoredUser<'a>> {
    let text = |index| row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from);
    let mut values = Box::new([None; FIELD_COUNT]);
    for (value, column) in values.iter_mut().zip(columns.fields) {
        if let Some(column) = column {
            *value = text(column)?;
        }
    }
    let username_key = text(columns.username_key)?.unwrap_or_default();
    let profile = Profile::from_stored(values, username_key, text(columns.email_key)?, text(columns.attributes)?)
        .map_err(unreadable)?;
    let version = Version { job: row.get(columns.version_job)?, line: row.get(columns.version_line)? };
    Ok(StoredUser { id: row.get(columns.id)?, version, profile })
}

/// The statements that write users.
pub(crate) struct UserWrites<'db> {
    insert: CachedStatement<'db>,
    update: CachedStatement<'db>,
}

impl<'db> UserWrites<'db> {
    pub(crate) fn prepare(db: &'db Connection, statements: &UserStatements) -> rusqlite::Result<Self> {
        let insert = db.prepare_cached(&statements.insert)?;
        Ok(Self { insert, update: db.prepare_cached(&statements.update)? })
    }

    /// Updates the user with this id, or inserts a new one. False if another user has its e-mail, login or uid.
    pub(crate) fn write(
        &mut self,
        id: Option<i64>,
        batch: &BatchToApply,
        row: CheckedRow<'_>,
        profile: &Profile<'_>,
    ) -> rusqlite::Result<bool> {
        let attributes = profile.attributes_json();
        let (statement, seventh) = match id {
            Some(id) => (&mut self.update, Param::Number(id)),
            None => (&mut self.insert, Param::Text(profile.password_hash())),
        };
        let head = [
            Param::Number(batch.tenant.0),
            Param::Number(batch.job.0),
            Param::Number(row.line().cast_signed()),
            Param::Text(Some(profile.username_key())),
            Param::Text(profile.email_key()),
            Param::Text(attributes.as_deref()),
            seventh,
        ];
        let count = batch.rows.columns().fields().len();
        let fields = profile.values()[..count].iter().copied().map(Param::Text);
        Ok(statement.execute(params_from_iter(head.into_iter().chain(fields)))? > 0)
    }
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
