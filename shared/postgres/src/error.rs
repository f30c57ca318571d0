//! From SQLSTATEs to what a caller can do about them.

use muster_ports::StoreError;

/// Translates an error of sqlx.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            by_code(code, error.constraint())
        }
        sqlx::Error::RowNotFound => StoreError::Unreadable("a row that must be there is missing"),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::TypeNotFound { .. } => {
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
        _ => StoreError::Refused { code, constraint: constraint.map(str::to_owned) },
    }
}

/// The connection is fine after this error and may go on after a rollback. `AnyDriverError` is what
/// our own work raises.
pub(crate) fn leaves_connection_usable(error: &sqlx::Error) -> bool {
    if matches!(error, sqlx::Error::AnyDriverError(_)) {
        return true;
    }
    matches!(error, sqlx::Error::Database(error) if !error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08")))
}

pub(crate) fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("23505"))
}
