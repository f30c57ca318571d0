//! From SQLSTATEs to what a caller can do about them.

use muster_ports::StoreError;
use muster_sql::Unreadable;

/// Translates an error of sqlx.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            by_code(code, error.constraint())
        }
        sqlx::Error::RowNotFound => StoreError::Unreadable("a row that must be there is missing"),
        sqlx::Error::Decode(error) => match error.downcast_ref::<Unreadable>() {
            Some(Unreadable(what)) => StoreError::Unreadable(what),
            None => StoreError::Unreadable("a column has another type than expected"),
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::TypeNotFound { .. } => {
            StoreError::Unreadable("a column has another type than expected")
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
        _ => StoreError::StatementRejected { code, constraint: constraint.map(str::to_owned) },
    }
}

/// Whether the connection can go on after a rollback. `AnyDriverError` is what this crate raises itself.
pub(crate) fn leaves_connection_usable(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::AnyDriverError(_)) {
        return true;
    }
    matches!(error, sqlx::Error::Database(error) if !error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08")))
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
    /// Finds out whether an error asks for another attempt.
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

/// A task of the store can only be gone because it panicked or the process is going down.
pub(crate) fn aborted(error: tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable(Some(Box::new(error)))
}
