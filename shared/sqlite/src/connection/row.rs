//! A row of a result, read by column name.

use muster_sql::{SqlRow, Unreadable};
use rusqlite::types::{FromSql, Type};

/// A row of a result.
pub(crate) struct Row<'r>(pub(crate) &'r rusqlite::Row<'r>);

impl Row<'_> {
    fn get<T: FromSql>(&self, column: &'static str) -> Result<T, Unreadable> {
        self.0.get(column).map_err(|_| Unreadable(column))
    }
}

impl SqlRow for Row<'_> {
    fn optional_number(&self, column: &'static str) -> Result<Option<i64>, Unreadable> {
        self.get(column)
    }

    fn optional_text(&self, column: &'static str) -> Result<Option<String>, Unreadable> {
        self.get(column)
    }

    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Unreadable> {
        self.get(column)
    }

    fn boolean(&self, column: &'static str) -> Result<bool, Unreadable> {
        self.get(column)
    }
}

/// Adapts a function that reads a [`Row`] by column name to rusqlite's rows.
pub(crate) fn decode<T, E: std::error::Error + Send + Sync + 'static>(
    read: impl Fn(&Row<'_>) -> Result<T, E>,
) -> impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T> {
    move |row| read(&Row(row)).map_err(unreadable)
}

/// Inside a statement, a row that cannot be read is an error of the library, like any other.
pub(crate) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
