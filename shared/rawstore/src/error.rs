//! Converts errors of `object_store`.

use muster_ports::RawStoreError;

pub(crate) fn raw_store_error(error: object_store::Error) -> RawStoreError {
    match error {
        object_store::Error::NotFound { .. } => RawStoreError::Missing,
        object_store::Error::Precondition { .. } => RawStoreError::Changed,
        other if is_full(&other) => RawStoreError::Full(Box::new(other)),
        other => RawStoreError::Unavailable(Box::new(other)),
    }
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)) {
            return true;
        }
        current = error.source();
    }
    false
}
