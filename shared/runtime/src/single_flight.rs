//! Shares one query among all callers that ask for the same key at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

/// Lets callers that ask for the same key share a query.
///
/// A result is never older than the call that returns it: callers that arrive while a query is running share the next
/// one, which starts when the running one ends. The crates for this purpose (`async_singleflight`,
/// `singleflight-async`, `get_with` of moka) let callers join the running query, which may have read a state from
/// before their call.
///
/// Any result of a query is shared, errors included. A query belongs to the caller that started it: if that caller is
/// dropped, another caller that waits for the query starts it again. Keys are kept only while a caller asks for them.
#[derive(Debug)]
pub struct SingleFlight<K, V> {
    turn_timeout: Duration,
    keys: Mutex<HashMap<K, KeyState<V>>>,
}

/// The state of a key for which at least one caller asks.
#[derive(Debug)]
struct KeyState<V> {
    callers: usize,
    /// Held by the running query.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The query that has not started.
    next: Arc<OnceCell<V>>,
}

/// How long the next query waits for the running one: five times what a query takes on a machine whose processors are
/// fully used (`docs/lab/status-latency.md`).
const TURN_TIMEOUT: Duration = Duration::from_millis(250);

/// Uses a timeout for servers in the same network.
impl<K: Eq + Hash + Clone, V: Clone> Default for SingleFlight<K, V> {
    fn default() -> Self {
        Self::new(TURN_TIMEOUT)
    }
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Creates an instance without callers. After `turn_timeout`, the next query stops waiting for a running one that
    /// hangs, for example because its response was lost.
    pub fn new(turn_timeout: Duration) -> Self {
        Self { turn_timeout, keys: Mutex::default() }
    }

    /// Returns the result of a query that started after this call: the caller's own `query` or that of another caller.
    /// The query starts within the turn timeout, or later only if the caller that was to run it is dropped. The caller
    /// sets the deadline of its own query.
    pub async fn ask<F: Future<Output = V>>(&self, key: K, query: impl FnOnce() -> F) -> V {
        let caller = self.join(key);
        let run = || async {
            // Held while the query runs, because the next query waits for it. On a timeout the query runs without it.
            let turn = tokio::time::timeout(self.turn_timeout, caller.turn.lock()).await;
            caller.close();
            let value = query().await;
            drop(turn);
            value
        };
        caller.cell.get_or_init(run).await.clone()
    }

    fn join(&self, key: K) -> Caller<'_, K, V> {
        let mut keys = self.keys();
        let state = keys.entry(key.clone()).or_default();
        state.callers += 1;
        Caller { turn: state.turn.clone(), cell: state.next.clone(), key, flights: self }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<K, KeyState<V>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Default for KeyState<V> {
    fn default() -> Self {
        Self { callers: 0, turn: Arc::default(), next: Arc::default() }
    }
}

/// A call in progress. Dropped when the result has been returned or the call is canceled.
struct Caller<'a, K: Eq + Hash + Clone, V: Clone> {
    key: K,
    turn: Arc<tokio::sync::Mutex<()>>,
    cell: Arc<OnceCell<V>>,
    flights: &'a SingleFlight<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Caller<'_, K, V> {
    /// Marks the query as started: callers that arrive from now on share the next one.
    fn close(&self) {
        let mut keys = self.flights.keys();
        // If this query was started before by a caller that was dropped, `next` is already another query.
        if let Some(state) = keys.get_mut(&self.key).filter(|state| Arc::ptr_eq(&state.next, &self.cell)) {
            state.next = Arc::default();
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Drop for Caller<'_, K, V> {
    fn drop(&mut self) {
        let mut keys = self.flights.keys();
        if let Some(state) = keys.get_mut(&self.key) {
            state.callers -= 1;
            if state.callers == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
