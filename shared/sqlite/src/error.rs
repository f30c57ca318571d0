//! From SQLite's result codes to what a caller can do about them.

use muster_ports::StoreError;
use muster_sql::Unreadable;
use rusqlite::ErrorCode;

/// Translates an error of rusqlite.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match error {
        transient if is_transient(&transient) => StoreError::Unavailable(None),
        rusqlite::Error::SqliteFailure(code, _) => {
            StoreError::StatementRejected { code: code.extended_code.to_string(), constraint: None }
        }
        rusqlite::Error::QueryReturnedNoRows => StoreError::Unreadable("a row that must be there is missing"),
        rusqlite::Error::FromSqlConversionFailure(_, _, error) => StoreError::Unreadable(what_is_unreadable(&*error)),
        _ => StoreError::Unreadable("a column has another type than expected"),
    }
}

fn what_is_unreadable(error: &(dyn std::error::Error + Send + Sync + 'static)) -> &'static str {
    match (error.downcast_ref::<Unreadable>(), error.downcast_ref::<StoreError>()) {
        (Some(Unreadable(what)), _) | (_, Some(StoreError::Unreadable(what))) => what,
        _ => "a column has another type than expected",
    }
}

/// Whether the same statement may succeed later.
pub(crate) fn is_transient(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
        )
    )
}
