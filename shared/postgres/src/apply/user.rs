//! Writes one user by one statement.

use muster_domain::RowDigest;
use muster_domain::plan::Write;
use muster_domain::profile::{MergedRows, StoredUser, Version};
use muster_ports::BatchToApply;
use sqlx::postgres::PgConnection;

use crate::connection::query::Statement;
use crate::statements;

/// The values of one user to be written.
pub(super) struct UserWrite<'a> {
    pub(super) merged: &'a MergedRows<'a>,
    pub(super) version: Version,
    pub(super) digest: RowDigest,
}

impl<'a> UserWrite<'a> {
    pub(super) fn new(batch: &BatchToApply, write: &'a Write<'a>) -> Self {
        Self { merged: &write.merged, version: Version::new(batch.job, write.line), digest: write.digest() }
    }
}

/// Inserts a user. False if another user has its e-mail, login or uid.
pub(super) async fn insert(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    write: &UserWrite<'_>,
) -> Result<bool, sqlx::Error> {
    let statements = statements::for_shape(batch.rows.identity(), batch.rows.columns());
    let attributes = write.merged.profile.attributes_json();
    let statement = bind_head(sqlx::query(statements.insert_user.as_str()), batch, write, attributes.as_deref());
    let statement = statement.bind(write.merged.profile.password_hash());
    Ok(bind_fields(statement, batch, write).fetch_optional(connection).await?.is_some())
}

/// Updates a user. False if another user has its e-mail or login, or the user has changed since it was looked up.
pub(super) async fn update(
    connection: &mut PgConnection,
    batch: &BatchToApply,
    user: &StoredUser<'_>,
    write: &UserWrite<'_>,
) -> Result<bool, sqlx::Error> {
    let statements = statements::for_shape(batch.rows.identity(), batch.rows.columns());
    let attributes = write.merged.profile.attributes_json();
    let statement = bind_head(sqlx::query(statements.update_user.as_str()), batch, write, attributes.as_deref());
    let statement = statement.bind(user.id).bind(user.version.job).bind(user.version.line);
    Ok(bind_fields(statement, batch, write).execute(connection).await?.rows_affected() > 0)
}

/// Binds `$1` to `$7`, which `insert_user.sql` and `update_user.sql` have in common.
fn bind_head<'q>(
    statement: Statement<'q>,
    batch: &BatchToApply,
    write: &UserWrite<'q>,
    attributes: Option<&'q str>,
) -> Statement<'q> {
    let profile = &write.merged.profile;
    let statement = statement.bind(batch.tenant.0).bind(write.version.job).bind(write.version.line);
    let statement = statement.bind(profile.username_key()).bind(profile.email_key());
    statement.bind(attributes).bind(write.digest.0.to_vec())
}

/// Binds the fields that the rows of the batch can set, in the order of the list of fields.
fn bind_fields<'q>(statement: Statement<'q>, batch: &BatchToApply, write: &UserWrite<'q>) -> Statement<'q> {
    let count = batch.rows.columns().fields().len();
    write.merged.profile.values()[..count].iter().fold(statement, |statement, value| statement.bind(*value))
}
