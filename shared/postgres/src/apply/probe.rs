//! Looks up which users a batch meets.

use std::collections::HashMap;

use muster_domain::field::FIELD_COUNT;
use muster_domain::plan::{Existing, Known, settled};
use muster_domain::profile::{Profile, StoredUser, Version};
use muster_domain::{CheckedRow, Dialect, Field, RowDigest};
use muster_ports::BatchToApply;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Row, ValueRef};

use super::look::Look;
use crate::sql;

/// What was found out about a batch before it is written.
pub(super) struct Found<'a> {
    batch: &'a BatchToApply,
    settled: HashMap<&'a str, i64>,
    users: Vec<PgRow>,
    email_holders: Vec<PgRow>,
    login_holders: Vec<PgRow>,
}

impl<'a> Found<'a> {
    pub(super) async fn look(
        connection: &mut PgConnection,
        batch: &'a BatchToApply,
        look: Look,
    ) -> Result<Self, sqlx::Error> {
        let mut found = Self {
            batch,
            settled: HashMap::new(),
            users: Vec::new(),
            email_holders: Vec::new(),
            login_holders: Vec::new(),
        };
        if look == Look::Nothing {
            return Ok(found);
        }
        let known = known(connection, batch).await?;
        let known = read_known(&known)?;
        found.settled = settled(&batch.rows, |key| known.get(key).copied());
        let keys: Vec<&str> = known.keys().copied().filter(|key| !found.settled.contains_key(key)).collect();
        found.users = changeable(connection, batch, &keys).await?;
        if look != Look::Named {
            let unsettled = || batch.rows.rows().filter(|row| !found.settled.contains_key(row.key()));
            let emails: Vec<&str> = unsettled().filter_map(|row| row.email_key()).collect();
            let logins: Vec<&str> =
                unsettled().filter(CheckedRow::is_found_by_uid).filter_map(|row| row.username_key()).collect();
            found.email_holders = holders_of_emails(connection, batch, &emails).await?;
            found.login_holders = holders_of_logins(connection, batch, &logins).await?;
        }
        Ok(found)
    }

    /// Whatever was not looked up is known of the users whom the rows name: they may hand on their e-mail or
    /// login to another row.
    pub(super) fn existing(&mut self) -> Result<Existing<'_>, sqlx::Error> {
        let settled = std::mem::take(&mut self.settled);
        let users = read_users(&self.users, self.batch.rows.dialect())?;
        let mut email_holders = read_holders(&self.email_holders)?;
        email_holders.extend(users.values().filter_map(|user| Some((user.profile.email_key()?, user.id))));
        let mut login_holders = read_holders(&self.login_holders)?;
        login_holders.extend(users.values().map(|user| (user.profile.username_key(), user.id)));
        Ok(Existing { users, settled, email_holders, login_holders })
    }
}

/// Whom the rows name: id and digest of each, by key.
async fn known(connection: &mut PgConnection, batch: &BatchToApply) -> Result<Vec<PgRow>, sqlx::Error> {
    let keys: Vec<&str> = batch.rows.rows().map(|row| row.key()).collect();
    let statement = match batch.rows.dialect() {
        Dialect::Spigit => sql::PROBE_KNOWN_USERS,
        Dialect::Collaborator => sql::PROBE_KNOWN_USERS_BY_UID,
    };
    sqlx::query(statement).bind(batch.tenant.0).bind(keys).fetch_all(connection).await
}

fn read_known(rows: &[PgRow]) -> Result<HashMap<&str, Known>, sqlx::Error> {
    rows.iter().map(|row| Ok((row.try_get(0)?, Known { id: row.try_get(1)?, digest: read_digest(row)? }))).collect()
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

/// The users of these keys, as far as rows of this batch can change them.
async fn changeable(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    keys: &[&str],
) -> Result<Vec<PgRow>, sqlx::Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let statement = match batch.rows.dialect() {
        Dialect::Spigit => sql::PROBE_SPIGIT_USERS,
        Dialect::Collaborator => sql::PROBE_USERS_BY_UID,
    };
    sqlx::query(statement).bind(batch.tenant.0).bind(keys).fetch_all(connection).await
}

/// The ids of the users whom the rows name, whatever became of the rows.
pub(super) async fn named_ids(connection: &mut PgConnection, batch: &BatchToApply) -> Result<Vec<i64>, sqlx::Error> {
    let keys: Vec<&str> = batch.rows.rows().map(|row| row.key()).chain(batch.rows.named()).collect();
    sqlx::query_scalar(sql::PROBE_IDS_BY_UID).bind(batch.tenant.0).bind(keys).fetch_all(connection).await
}

/// The user whom a row names, with everything that is stored of it.
pub(super) async fn user_of(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    row: CheckedRow<'_>,
) -> Result<Option<PgRow>, sqlx::Error> {
    let statement = match batch.rows.dialect() {
        Dialect::Spigit => sql::PROBE_USERS,
        Dialect::Collaborator => sql::PROBE_USERS_BY_UID,
    };
    sqlx::query(statement).bind(batch.tenant.0).bind([row.key()]).fetch_optional(connection).await
}

/// The user with this login, if it has no uid yet.
pub(super) async fn user_without_uid(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    login: &str,
) -> Result<Option<PgRow>, sqlx::Error> {
    let found = sqlx::query(sql::PROBE_USERS).bind(batch.tenant.0).bind([login]).fetch_optional(connection).await?;
    let Some(row) = found else { return Ok(None) };
    let has_uid = read_user(&row)?.profile.value(Field::Uid).is_some();
    Ok((!has_uid).then_some(row))
}

/// Who holds these e-mails.
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

/// Who holds these logins.
pub(super) async fn holders_of_logins(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    logins: &[&str],
) -> Result<Vec<PgRow>, sqlx::Error> {
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql::PROBE_KNOWN_USERS).bind(batch.tenant.0).bind(logins).fetch_all(connection).await
}

fn read_users(rows: &[PgRow], dialect: Dialect) -> Result<HashMap<&str, StoredUser<'_>>, sqlx::Error> {
    let key = match dialect {
        Dialect::Spigit => 3,
        Dialect::Collaborator => 5 + Field::Uid.index(),
    };
    rows.iter().map(|row| Ok((row.try_get(key)?, read_user(row)?))).collect()
}

pub(super) fn read_holders(rows: &[PgRow]) -> Result<HashMap<&str, i64>, sqlx::Error> {
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Reads a row of `probe_users.sql` or `probe_spigit_users.sql`.
pub(super) fn read_user(row: &PgRow) -> Result<StoredUser<'_>, sqlx::Error> {
    let mut values = [None; FIELD_COUNT];
    let attributes = row.len() - 1;
    for (index, value) in values.iter_mut().enumerate().take(attributes - 5) {
        *value = row.try_get(index + 5)?;
    }
    let profile = Profile::stored(values, row.try_get(3)?, row.try_get(4)?, row.try_get(attributes)?)
        .map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(StoredUser { id: row.try_get(0)?, version: Version { job: row.try_get(1)?, line: row.try_get(2)? }, profile })
}
