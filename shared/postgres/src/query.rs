//! Single statements on a connection of their own, with a deadline, and the rows that they return.

use std::time::Duration;

use muster_ports::StoreError;
use muster_sql::{SqlRow, Unreadable};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use tokio::time::error::Elapsed;

use crate::error::store_error;
use crate::store::PostgresStore;

/// When the client stops waiting for a server that does not respond. Longer than any deadline of the server itself.
pub(crate) const CLIENT_DEADLINE: Duration = Duration::from_secs(90);

/// A statement with its parameters.
pub(crate) type Statement<'q> = Query<'q, Postgres, PgArguments>;

impl PostgresStore {
    /// Runs a statement and returns its rows.
    pub(crate) async fn fetch_all(&self, statement: Statement<'_>) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        let rows = tokio::time::timeout(CLIENT_DEADLINE, statement.fetch_all(&mut *connection)).await;
        Ok(release(connection, rows)?.into_iter().map(Row).collect())
    }

    /// Runs a statement and returns its row, or `None` if it has none.
    pub(crate) async fn fetch_optional(&self, statement: Statement<'_>) -> Result<Option<Row>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        let row = tokio::time::timeout(CLIENT_DEADLINE, statement.fetch_optional(&mut *connection)).await;
        Ok(release(connection, row)?.map(Row))
    }

    /// Runs a statement that returns one row.
    pub(crate) async fn fetch_one(&self, statement: Statement<'_>) -> Result<Row, StoreError> {
        self.fetch_optional(statement).await?.ok_or(StoreError::Unreadable("a row that must be there is missing"))
    }

    /// Runs a statement and returns the number of rows that it changed.
    pub(crate) async fn execute(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        let done = tokio::time::timeout(CLIENT_DEADLINE, statement.execute(&mut *connection)).await;
        Ok(release(connection, done)?.rows_affected())
    }
}

/// Returns a connection to the pool, unless its statement was given up: what the server will still send is unknown, so
/// the connection is closed. (A deadline around a statement on the pool would return it to the pool.)
fn release<T>(
    mut connection: PoolConnection<Postgres>,
    result: Result<Result<T, sqlx::Error>, Elapsed>,
) -> Result<T, StoreError> {
    result
        .unwrap_or_else(|_| {
            connection.close_on_drop();
            Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
        })
        .map_err(store_error)
}

/// Runs a statement of a transaction that returns one row.
pub(crate) async fn fetch_row(connection: &mut PgConnection, statement: Statement<'_>) -> Result<Row, sqlx::Error> {
    statement.fetch_one(connection).await.map(Row)
}

/// A row of a result, read by column name.
pub(crate) struct Row(pub(crate) PgRow);

impl Row {
    /// The only column.
    pub(crate) fn only<'r, T>(&'r self) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        self.0.try_get(0).map_err(store_error)
    }
}

impl SqlRow for Row {
    fn optional_number(&self, column: &'static str) -> Result<Option<i64>, Unreadable> {
        let wide = self.0.try_get::<Option<i64>, _>(column);
        let number = wide.or_else(|_| self.0.try_get::<Option<i32>, _>(column).map(|number| number.map(i64::from)));
        number.map_err(|_| Unreadable(column))
    }

    fn optional_text(&self, column: &'static str) -> Result<Option<String>, Unreadable> {
        self.0.try_get(column).map_err(|_| Unreadable(column))
    }

    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.0.try_get(column).map_err(|_| Unreadable(column))
    }

    fn boolean(&self, column: &'static str) -> Result<bool, Unreadable> {
        self.0.try_get(column).map_err(|_| Unreadable(column))
    }
}

/// Inside a transaction, a row that cannot be read is an error of the library, like any other.
pub(crate) fn unreadable(error: Unreadable) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
