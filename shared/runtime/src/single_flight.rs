//! One look for all who ask the same at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

/// Lets callers who ask for the same key share a look at what they ask for.
///
/// An answer is never older than its question: whoever comes while a look is under way shares the
/// next one, which begins when that has ended. The crates for this purpose (`async_singleflight`,
/// `singleflight-async`, `get_with` of moka) let callers join the look that is under way, which may
/// have seen what was so before they came.
///
/// Whatever a look gives is shared, an error too. A look belongs to the caller who began it: if that
/// one goes away, another of those who wait for it begins anew. Keys are known only while somebody
/// asks for them.
#[derive(Debug)]
pub struct SingleFlight<K, V> {
    patience: Duration,
    asked: Mutex<HashMap<K, Asked<V>>>,
}

/// What is known of a key that somebody asks for.
#[derive(Debug)]
struct Asked<V> {
    callers: usize,
    /// Held by the look that is under way.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The look that has not begun.
    next: Arc<OnceCell<V>>,
}

/// When a look is not waited for any more by those who come later: five times what one takes on a machine whose
/// processors are full (`docs/performance.md`).
const PATIENCE: Duration = Duration::from_millis(250);

/// With a patience for servers of the same site.
impl<K: Eq + Hash + Clone, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Nobody asks yet. A look that takes longer than `patience` does not hold the next one up any
    /// more: who comes later than that does not share the loss of an answer.
    pub fn new(patience: Duration) -> Self {
        Self { patience, asked: Mutex::default() }
    }

    /// Gives what a look gave that began after this call: the caller's own, or that of another. It begins
    /// after `patience` at the latest, later only if the caller who began it went away. A look has the deadline
    /// of whoever asks.
    pub async fn ask<F: Future<Output = V>>(&self, key: K, look: impl FnOnce() -> F) -> V {
        let caller = self.join(key);
        let look = || async {
            // Held over the look, which is what the next one waits for; `patience` passes a holder by that hangs.
            let turn = tokio::time::timeout(self.patience, caller.turn.lock()).await;
            caller.close();
            let value = look().await;
            drop(turn);
            value
        };
        caller.cell.get_or_init(look).await.clone()
    }

    fn join(&self, key: K) -> Caller<'_, K, V> {
        let mut asked = self.asked();
        let of_key = asked.entry(key.clone()).or_default();
        of_key.callers += 1;
        Caller { turn: of_key.turn.clone(), cell: of_key.next.clone(), key, flights: self }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<K, Asked<V>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Default for Asked<V> {
    fn default() -> Self {
        Self { callers: 0, turn: Arc::default(), next: Arc::default() }
    }
}

/// Somebody who asks, until the answer is there or is no longer wanted.
struct Caller<'a, K: Eq + Hash + Clone, V: Clone> {
    key: K,
    turn: Arc<tokio::sync::Mutex<()>>,
    cell: Arc<OnceCell<V>>,
    flights: &'a SingleFlight<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Caller<'_, K, V> {
    /// The look begins: whoever comes from now on shares the next one.
    fn close(&self) {
        let mut asked = self.flights.asked();
        // It is another's already if this look is begun anew.
        if let Some(of_key) = asked.get_mut(&self.key).filter(|of_key| Arc::ptr_eq(&of_key.next, &self.cell)) {
            of_key.next = Arc::default();
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Drop for Caller<'_, K, V> {
    fn drop(&mut self) {
        let mut asked = self.flights.asked();
        if let Some(of_key) = asked.get_mut(&self.key) {
            of_key.callers -= 1;
            if of_key.callers == 0 {
                asked.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
