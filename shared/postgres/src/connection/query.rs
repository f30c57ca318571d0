//! Statements and the rows that they return.

use muster_ports::StoreError;
use muster_sql::{SqlRow, Unreadable};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use crate::connection::error::store_error;

/// A statement with its parameters.
pub(crate) type Statement<'q> = Query<'q, Postgres, PgArguments>;

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
