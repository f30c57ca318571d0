//! Translates SQLite's result codes to store errors, by whether a retry may succeed.

use muster_ports::StoreError;
use muster_sql::Unreadable;
use rusqlite::ErrorCode;

/// Translates an error of rusqlite.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match error {
        transient if is_transient(&transient) => StoreError::Unavailable(None),
        data if is_data_error(&data) => StoreError::StatementRejected { code: result_code(&data), constraint: None },
        // Everything else is wrong with the database, not with the data: it is read-only, corrupt, or no database.
        failure @ rusqlite::Error::SqliteFailure(..) => StoreError::NeedsRepair { code: result_code(&failure) },
        rusqlite::Error::QueryReturnedNoRows => StoreError::Unreadable("a required row is missing"),
        rusqlite::Error::FromSqlConversionFailure(_, _, error) => StoreError::Unreadable(what_is_unreadable(&*error)),
        _ => StoreError::Unreadable("a column has an unexpected type"),
    }
}

fn what_is_unreadable(error: &(dyn std::error::Error + Send + Sync + 'static)) -> &'static str {
    match (error.downcast_ref::<Unreadable>(), error.downcast_ref::<StoreError>()) {
        (Some(Unreadable(what)), _) | (_, Some(StoreError::Unreadable(what))) => what,
        _ => "a column has an unexpected type",
    }
}

fn result_code(error: &rusqlite::Error) -> String {
    error.sqlite_error().map(|error| error.extended_code.to_string()).unwrap_or_default()
}

/// Whether the values in a statement caused this error, so that the same statement always fails.
pub(crate) fn is_data_error(error: &rusqlite::Error) -> bool {
    let data = [ErrorCode::ConstraintViolation, ErrorCode::TypeMismatch, ErrorCode::TooBig];
    error.sqlite_error_code().is_some_and(|code| data.contains(&code))
}

/// Whether the same statement may succeed later without a repair.
fn is_transient(error: &rusqlite::Error) -> bool {
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

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn failure(prepare: &str, statement: &str) -> StoreError {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("create table t (a text unique not null)").unwrap();
        db.execute_batch(prepare).unwrap();
        store_error(db.execute_batch(statement).unwrap_err())
    }

    #[test]
    fn only_values_of_a_row_can_make_a_row_fail() {
        let rejected = failure("insert into t values ('x')", "insert into t values ('x')");
        assert!(matches!(rejected, StoreError::StatementRejected { .. }), "{rejected:?}");
        let read_only = failure("pragma query_only = on", "insert into t values ('x')");
        assert!(matches!(read_only, StoreError::NeedsRepair { .. }), "{read_only:?}");
        let missing = failure("drop table t", "insert into t values ('x')");
        assert!(matches!(missing, StoreError::NeedsRepair { .. }), "{missing:?}");
        let full = failure("pragma max_page_count = 2", "insert into t values (hex(zeroblob(1000000)))");
        assert!(matches!(full, StoreError::Unavailable(_)), "{full:?}");
    }

    #[test]
    fn a_damaged_or_locked_file_is_no_fault_of_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("muster.db");
        std::fs::write(&file, [0x55; 8192]).unwrap();
        let damaged = Connection::open(&file).unwrap().execute_batch("create table t (a)").unwrap_err();
        assert!(matches!(store_error(damaged), StoreError::NeedsRepair { .. }));
        let other = folder.path().join("other.db");
        let (first, second) = (Connection::open(&other).unwrap(), Connection::open(&other).unwrap());
        second.busy_timeout(std::time::Duration::ZERO).unwrap();
        first.execute_batch("begin immediate; create table t (a)").unwrap();
        let locked = second.execute_batch("begin immediate").unwrap_err();
        assert!(matches!(store_error(locked), StoreError::Unavailable(_)));
    }
}
