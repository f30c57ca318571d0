//! One user by one statement.

use muster_domain::field::{FIELD_COUNT, SPIGIT_FIELD_COUNT};
use muster_domain::plan::Write;
use muster_domain::profile::{Folded, StoredUser, Version};
use muster_domain::{Dialect, RowDigest};
use muster_ports::BatchToApply;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;

use crate::sql;

/// What becomes of one user.
pub(super) struct UserWrite<'a> {
    pub(super) folded: &'a Folded<'a>,
    pub(super) version: Version,
    pub(super) digest: RowDigest,
}

impl<'a> UserWrite<'a> {
    pub(super) fn of(batch: &BatchToApply, write: &'a Write<'a>) -> Self {
        Self { folded: &write.folded, version: Version::new(batch.job, write.line), digest: write.digest() }
    }
}

/// False if another user has the e-mail or the login, or the user exists.
pub(super) async fn insert(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    write: &UserWrite<'_>,
) -> Result<bool, sqlx::Error> {
    let attributes = write.folded.profile.attributes_json();
    let query = bind_user(sqlx::query(sql::INSERT_USER), batch, write, FIELD_COUNT, attributes.as_deref());
    Ok(query.bind(write.folded.profile.password_hash()).fetch_optional(connection).await?.is_some())
}

/// False if another user has the e-mail or the login, or the user is no longer as it was probed.
pub(super) async fn update(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    user: &StoredUser<'_>,
    write: &UserWrite<'_>,
) -> Result<bool, sqlx::Error> {
    let (statement, fields) = match batch.rows.dialect() {
        Dialect::Spigit => (sql::UPDATE_SPIGIT_USER, SPIGIT_FIELD_COUNT),
        Dialect::Collaborator => (sql::UPDATE_USER, FIELD_COUNT),
    };
    let attributes = write.folded.profile.attributes_json();
    let query = bind_user(sqlx::query(statement), batch, write, fields, attributes.as_deref());
    let query = query.bind(user.id).bind(user.version.job).bind(user.version.line);
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

type UserQuery<'q> = Query<'q, Postgres, PgArguments>;

/// Binds the columns in the order of `insert_user.sql`, of the fields only the first ones.
fn bind_user<'q>(
    query: UserQuery<'q>,
    batch: &BatchToApply,
    write: &UserWrite<'q>,
    fields: usize,
    attributes: Option<&'q str>,
) -> UserQuery<'q> {
    let profile = &write.folded.profile;
    let query = query.bind(batch.tenant.0).bind(write.version.job).bind(write.version.line);
    let query = query.bind(profile.username_key()).bind(profile.email_key());
    let query = profile.values()[..fields].iter().fold(query, |query, value| query.bind(*value));
    query.bind(attributes).bind(write.digest.0.to_vec())
}
