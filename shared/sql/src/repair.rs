//! Remembers that the database must be repaired, so that the process reports it once and is not ready meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muster_ports::StoreError;

/// How long after the last such error the process is not ready: longer than the longest wait between two tries.
const UNREADY: Duration = Duration::from_secs(20);

/// When the database last needed repair, and the code of the error that said so.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    last: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Repair {
    /// Records an error of the database. The first one of its kind is logged.
    pub fn observe(&self, error: StoreError) -> StoreError {
        if let StoreError::NeedsRepair { code } = &error {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = last.as_ref().is_none_or(|(time, known)| time.elapsed() > UNREADY || known != code);
            if is_new {
                tracing::error!(code, "the database must be repaired; work waits until then");
            }
            *last = Some((Instant::now(), code.clone()));
        }
        error
    }

    /// Fails if the database needed repair a short time ago.
    pub fn check(&self) -> Result<(), StoreError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref().filter(|(time, _)| time.elapsed() < UNREADY) {
            Some((_, code)) => Err(StoreError::NeedsRepair { code: code.clone() }),
            None => Ok(()),
        }
    }
}
