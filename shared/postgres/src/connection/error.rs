//! Translates SQLSTATEs to store errors, by whether a retry may succeed.

use muster_ports::StoreError;
use muster_sql::Unreadable;

/// Translates an error of sqlx.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            by_code(code, error.constraint())
        }
        sqlx::Error::AnyDriverError(error) if error.is::<MissingIndex>() => {
            StoreError::NeedsRepair { code: "missing index".to_owned() }
        }
        sqlx::Error::RowNotFound => StoreError::Unreadable("a required row is missing"),
        sqlx::Error::Decode(error) => match error.downcast_ref::<Unreadable>() {
            Some(Unreadable(what)) => StoreError::Unreadable(what),
            None => StoreError::Unreadable("a column has an unexpected type"),
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::TypeNotFound { .. } => {
            StoreError::Unreadable("a column has an unexpected type")
        }
        other => StoreError::Unavailable(Some(Box::new(other))),
    }
}

fn by_code(code: String, constraint: Option<&str>) -> StoreError {
    let class = code.get(..2).unwrap_or_default();
    match (class, code.as_str()) {
        // Serialization failure, deadlock, lock timeout.
        (_, "40001" | "40P01" | "55P03") => StoreError::Contention { code },
        // Connection, resources (disk full, too many connections), operator intervention (shutdown,
        // statement timeout), idle in transaction, system error.
        ("08" | "53" | "57" | "58", _) | (_, "25P03" | "25P04") => StoreError::Unavailable(None),
        // Only these can be caused by the values of a row: data exceptions, violated constraints, limits on the size of
        // a value or of an index entry, and triggers that reject a row.
        ("22" | "23" | "54", _) | (_, "P0001") => {
            StoreError::StatementRejected { code, constraint: constraint.map(str::to_owned) }
        }
        // Everything else is wrong with the database, not with the data: a privilege or a column is missing (42), the
        // server is read-only (25006), the password was changed (28), an index is corrupt (XX), and whatever is
        // unknown.
        _ => StoreError::NeedsRepair { code },
    }
}

/// Whether the values in a statement caused this error, so that the same statement always fails.
pub(crate) fn is_data_error(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().unwrap_or_default().into_owned();
    matches!(by_code(code, None), StoreError::StatementRejected { .. })
}

/// Whether the connection can be used after a rollback. This crate raises `AnyDriverError` itself.
///
/// Not after a read-only server (25006), whose role may have moved to another server; a cached plan that does not fit
/// the schema any more (0A000, 26000); an internal error (XX).
pub(crate) fn leaves_connection_usable(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return matches!(error, sqlx::Error::AnyDriverError(_)) };
    let code = error.code().unwrap_or_default();
    let is_lost = ["57P", "08", "XX"].iter().any(|class| code.starts_with(class));
    !is_lost && !["25006", "0A000", "26000"].contains(&&*code)
}

pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("23505"))
}

/// Raised inside a transaction, so that it is rolled back and tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Retry {
    /// Another transaction has changed what this one read.
    #[error("what was looked up changed before it could be written")]
    Changed,
    /// A unique index rejected a write, or the user changed since it was read. The next attempt looks up more.
    #[error("a unique index rejected a write, or the user changed since it was read")]
    LookUpMore,
}

impl Retry {
    /// Returns why another attempt is needed, or `None` if it is not.
    pub(crate) fn from_error(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::AnyDriverError(inner) => inner.downcast_ref().copied(),
            _ if is_unique_violation(error) => Some(Self::LookUpMore),
            _ => None,
        }
    }
}

impl From<Retry> for sqlx::Error {
    fn from(retry: Retry) -> Self {
        Self::AnyDriverError(Box::new(retry))
    }
}

/// A unique index of `users` is missing or not valid.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a unique index of users is missing or not valid")]
pub(crate) struct MissingIndex;

impl From<MissingIndex> for sqlx::Error {
    fn from(missing: MissingIndex) -> Self {
        Self::AnyDriverError(Box::new(missing))
    }
}

/// The error of a task of the store that did not end: it panicked, or the process is stopping.
pub(crate) fn aborted(error: tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable(Some(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_a_row_can_make_a_row_fail() {
        let kind = |code: &str| match by_code(code.to_owned(), None) {
            StoreError::StatementRejected { .. } => "data",
            StoreError::Contention { .. } => "contention",
            StoreError::Unavailable(_) => "unavailable",
            StoreError::NeedsRepair { .. } => "repair",
            other => panic!("{code}: {other}"),
        };
        for (expected, codes) in [
            ("data", &["22001", "22021", "22P02", "22P05", "23502", "23505", "23514", "54000", "P0001"][..]),
            ("contention", &["40001", "40P01", "55P03"]),
            ("unavailable", &["08006", "25P03", "53100", "53300", "57014", "57P01", "58030"]),
            (
                "repair",
                &[
                    "0A000", "25006", "26000", "28000", "28P01", "3D000", "42501", "42703", "42P01", "XX000", "XX001",
                    "",
                ],
            ),
        ] {
            for code in codes {
                assert_eq!(kind(code), expected, "{code}");
            }
        }
    }
}
