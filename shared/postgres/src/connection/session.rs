//! The settings of a database session, and checks of what lies between Muster and the server.
//!
//! Settings are made by statements, not by options of the connection, which a pooler such as PgBouncer refuses or drops.

use muster_ports::StoreError;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::connection::error::store_error;

/// Timeouts of the server, all shorter than that of the client ([`crate::connection::transaction::CLIENT_DEADLINE`]).
///
/// The last two are settings of the planner (docs/decisions/0005). A cached plan that was made while a table was empty
/// still scans the whole table after it has grown (a million rows then took more than a minute instead of ten seconds),
/// so every statement is planned for each execution. And current storage reads randomly almost as fast as sequentially.
const SETTINGS: [(&str, &str); 6] = [
    ("statement_timeout", "60s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "15s"),
    // Not a timeout: "create temporary table if not exists" would send a notice each time.
    ("client_min_messages", "warning"),
    ("plan_cache_mode", "force_custom_plan"),
    ("random_page_cost", "1.1"),
];

/// Makes the settings of a new connection.
pub(crate) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let settings = SETTINGS.map(|(name, value)| format!("set {name} = '{value}'"));
    connection.execute(AssertSqlSafe(settings.join("; "))).await.map(drop)
}

/// Checks that sessions are durable and belong to their connection. Fails with a sentence for an operator.
pub(crate) async fn check(pool: &PgPool) -> Result<(), StoreError> {
    let mut first = pool.acquire().await.map_err(store_error)?;
    let row = first.fetch_one("show synchronous_commit").await.map_err(store_error)?;
    if row.try_get::<&str, _>(0).map_err(store_error)? == "off" {
        return Err(StoreError::Unusable(
            "synchronous_commit is off for this role or database, so that a crash of Postgres could lose rows that were \
             reported as imported: set it to on",
        ));
    }
    // A pooler that shares sessions gives the session of one connection to the next one that begins a transaction.
    let mark = format!("{:016x}", rand::random::<u64>());
    let set_mark = format!("begin; select set_config('muster.session', '{mark}', false); commit");
    first.execute(AssertSqlSafe(set_mark)).await.map_err(store_error)?;
    let mut second = pool.acquire().await.map_err(store_error)?;
    let row =
        second.fetch_one("select coalesce(current_setting('muster.session', true), '')").await.map_err(store_error)?;
    if row.try_get::<&str, _>(0).map_err(store_error)? == mark {
        first.close_on_drop();
        second.close_on_drop();
        return Err(StoreError::Unusable(
            "the connection pooler shares sessions among connections (pool_mode = transaction or statement), and Muster \
             needs sessions of its own: use pool_mode = session, or connect to Postgres directly",
        ));
    }
    first.ping().await.map_err(store_error)
}
