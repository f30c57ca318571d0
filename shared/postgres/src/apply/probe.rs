//! Looks up the users that a batch concerns.

use std::collections::HashMap;

use muster_domain::decision::{RowKeys, named_keys};
use muster_domain::field::FIELD_COUNT;
use muster_domain::plan::{Existing, Known, find_unchanged};
use muster_domain::profile::{Profile, StoredUser, Version};
use muster_domain::shape::{Columns, Identity};
use muster_domain::{Field, RowDigest};
use muster_ports::BatchToApply;
use muster_sql::users::UserColumns;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ColumnIndex, Row, ValueRef};

use super::lookup::LookupLevel;
use crate::connection::query::unreadable;
use crate::sql;
use crate::statements::{UserStatements, for_shape};

/// The rows that were looked up for a batch before it is written.
#[derive(Default)]
pub(super) struct Found {
    users: Vec<PgRow>,
    email_holders: Vec<PgRow>,
    login_holders: Vec<PgRow>,
}

/// The ids of the users that their rows do not change, by key: each row has the digest of the row that last wrote its
/// user.
pub(super) type Unchanged<'a> = HashMap<&'a str, i64>;

impl Found {
    /// Looks up what the level requires.
    pub(super) async fn look_up<'a>(
        connection: &mut PgConnection,
        batch: &'a BatchToApply,
        level: LookupLevel,
    ) -> Result<(Self, Unchanged<'a>), sqlx::Error> {
        let mut found = Self::default();
        if level == LookupLevel::Nothing {
            return Ok((found, Unchanged::new()));
        }
        let known = known(connection, batch).await?;
        let known = read_known(&known)?;
        let unchanged = find_unchanged(&batch.rows, |key| known.get(key).copied());
        let keys: Vec<&str> = known.keys().copied().filter(|key| !unchanged.contains_key(key)).collect();
        found.users = users_by_key(connection, batch, &keys).await?;
        if level != LookupLevel::Named {
            let changing = || batch.rows.rows().filter(|row| !unchanged.contains_key(row.key()));
            let emails: Vec<&str> = changing().filter_map(|row| row.email_key()).collect();
            let logins: Vec<&str> = changing().filter_map(|row| RowKeys::new(&row).login).collect();
            found.email_holders = holders_of_emails(connection, batch, &emails).await?;
            found.login_holders = holders_of_logins(connection, batch, &logins).await?;
        }
        Ok((found, unchanged))
    }

    /// Decodes the rows for the plan. The users whom the rows name count as holders even if holders were not looked up:
    /// another row may take the e-mail or login that they release.
    pub(super) fn existing<'a>(
        &'a self,
        identity: Identity,
        unchanged: Unchanged<'a>,
    ) -> Result<Existing<'a>, sqlx::Error> {
        let users = read_users(&self.users, identity)?;
        let mut email_holders = read_holders(&self.email_holders)?;
        email_holders.extend(users.values().filter_map(|user| Some((user.profile.email_key()?, user.id))));
        let mut login_holders = read_holders(&self.login_holders)?;
        login_holders.extend(users.values().map(|user| (user.profile.username_key(), user.id)));
        Ok(Existing { users, unchanged, email_holders, login_holders })
    }
}

fn statements(batch: &BatchToApply) -> &'static UserStatements {
    for_shape(batch.rows.identity(), batch.rows.columns())
}

/// The users whom the rows name: key, id and digest of each.
async fn known(connection: &mut PgConnection, batch: &BatchToApply) -> Result<Vec<PgRow>, sqlx::Error> {
    let keys: Vec<&str> = batch.rows.rows().map(|row| row.key()).collect();
    let statement = statements(batch).probe_user_digests.as_str();
    sqlx::query(statement).bind(batch.tenant.0).bind(keys).fetch_all(connection).await
}

/// Reads rows of `probe_user_digests.sql`, by position, because there are many and they have only three columns.
fn read_known(rows: &[PgRow]) -> Result<HashMap<&str, Known>, sqlx::Error> {
    read_map(rows, |row| Ok((row.try_get(0)?, Known { id: row.try_get(1)?, digest: read_digest(row)? })))
}

/// Reads a key and a value from each row. A map that is collected into a `Result` does not know how many rows there are:
/// it would move all values each time it grows.
fn read_map<'r, V>(
    rows: &'r [PgRow],
    read: impl Fn(&'r PgRow) -> Result<(&'r str, V), sqlx::Error>,
) -> Result<HashMap<&'r str, V>, sqlx::Error> {
    let mut map = HashMap::with_capacity(rows.len());
    for row in rows {
        let (key, value) = read(row)?;
        map.insert(key, value);
    }
    Ok(map)
}

fn read_digest(row: &PgRow) -> Result<Option<RowDigest>, sqlx::Error> {
    let value = row.try_get_raw(2)?;
    if value.is_null() {
        return Ok(None);
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    let bytes = bytes.try_into().map_err(|_| sqlx::Error::Decode("a digest has 16 bytes".into()))?;
    Ok(Some(RowDigest(bytes)))
}

/// The users with these keys, with the fields that rows of this batch can set.
async fn users_by_key(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    keys: &[&str],
) -> Result<Vec<PgRow>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let statement = statements(batch).probe_users.as_str();
    sqlx::query(statement).bind(batch.tenant.0).bind(keys).fetch_all(connection).await
}

/// The ids of the users whom the rows name, failed rows included.
pub(super) async fn named_ids(connection: &mut PgConnection, batch: &BatchToApply) -> Result<Vec<i64>, sqlx::Error> {
    let keys = named_keys(&batch.rows);
    sqlx::query_scalar(sql::PROBE_IDS_BY_UID).bind(batch.tenant.0).bind(keys).fetch_all(connection).await
}

/// The user with the key of a row.
pub(super) async fn user_by_key(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    key: &str,
) -> Result<Option<PgRow>, sqlx::Error> {
    let statement = statements(batch).probe_users.as_str();
    sqlx::query(statement).bind(batch.tenant.0).bind([key]).fetch_optional(connection).await
}

/// The user with this login, with every field, because the caller checks whether it has a uid.
pub(super) async fn user_by_login(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    login: &str,
) -> Result<Option<PgRow>, sqlx::Error> {
    let statement = for_shape(Identity::Username, Columns::All).probe_users.as_str();
    sqlx::query(statement).bind(batch.tenant.0).bind([login]).fetch_optional(connection).await
}

/// The holders of these e-mails.
pub(super) async fn holders_of_emails(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    emails: &[&str],
) -> Result<Vec<PgRow>, sqlx::Error> {
    if emails.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql::PROBE_EMAIL_HOLDERS).bind(batch.tenant.0).bind(emails).fetch_all(connection).await
}

/// The holders of these logins.
pub(super) async fn holders_of_logins(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    logins: &[&str],
) -> Result<Vec<PgRow>, sqlx::Error> {
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let statement = for_shape(Identity::Username, Columns::All).probe_user_digests.as_str();
    sqlx::query(statement).bind(batch.tenant.0).bind(logins).fetch_all(connection).await
}

/// Reads key and id of each row.
pub(super) fn read_holders(rows: &[PgRow]) -> Result<HashMap<&str, i64>, sqlx::Error> {
    read_map(rows, |row| Ok((row.try_get(0)?, row.try_get(1)?)))
}

fn read_users(rows: &[PgRow], identity: Identity) -> Result<HashMap<&str, StoredUser<'_>>, sqlx::Error> {
    let Some(first) = rows.first() else { return Ok(HashMap::new()) };
    let columns = columns(first)?;
    read_map(rows, |row| {
        let user = read_user_at(row, &columns)?;
        let key = match identity {
            Identity::Username => user.profile.username_key(),
            Identity::Uid => user.profile.value(Field::Uid).unwrap_or_default(),
        };
        Ok((key, user))
    })
}

/// Reads a row of `probe_users.sql`.
pub(super) fn read_user(row: &PgRow) -> Result<StoredUser<'_>, sqlx::Error> {
    read_user_at(row, &columns(row)?)
}

fn columns(row: &PgRow) -> Result<UserColumns, sqlx::Error> {
    UserColumns::find(|name| name.index(row).ok()).map_err(unreadable)
}

fn read_user_at<'r>(row: &'r PgRow, columns: &UserColumns) -> Result<StoredUser<'r>, sqlx::Error> {
    let mut values = Box::new([None; FIELD_COUNT]);
    for (value, column) in values.iter_mut().zip(columns.fields) {
        if let Some(column) = column {
            *value = row.try_get(column)?;
        }
    }
    let profile = Profile::from_stored(
        values,
        row.try_get(columns.username_key)?,
        row.try_get(columns.email_key)?,
        row.try_get(columns.attributes)?,
    )
    .map_err(|error| sqlx::Error::Decode(error.into()))?;
    let version = Version { job: row.try_get(columns.version_job)?, line: row.try_get(columns.version_line)? };
    Ok(StoredUser { id: row.try_get(columns.id)?, version, profile })
}
