//! Limits how many connections are open: in total, and from one address.
//!
//! At a limit, the connection that has waited longest for a request makes room for the new one. So clients that open
//! connections and send nothing, or send the head of a request byte by byte, keep nobody out. Only connections whose
//! request is being handled stay, and handlers have limits of their own.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// The open connections of a server.
#[derive(Clone)]
pub(crate) struct Connections {
    open: Arc<Mutex<Open>>,
    max_total: usize,
    max_per_address: usize,
}

#[derive(Default)]
struct Open {
    next_id: u64,
    by_id: HashMap<u64, Entry>,
}

struct Entry {
    /// `None` for a proxy, which has connections for many clients.
    address: Option<IpAddr>,
    /// Since when the connection has waited for a request; `None` while a request is being handled.
    waiting_since: Option<Instant>,
    closing: Arc<Notify>,
}

/// An open connection, registered until it is dropped.
pub(crate) struct Registration {
    connections: Connections,
    id: u64,
    closing: Arc<Notify>,
}

/// A request that is being handled, until it is dropped.
pub(crate) struct ActiveRequest {
    connections: Connections,
    id: u64,
}

impl Connections {
    pub(crate) fn new(max_total: usize, max_per_address: usize) -> Self {
        Self { open: Arc::default(), max_total, max_per_address }
    }

    /// Registers a connection. Returns `None` if a limit is reached and every connection that counts towards it is
    /// handling a request. `address` is `None` for a proxy, to which only the total limit applies.
    pub(crate) fn register(&self, address: Option<IpAddr>) -> Option<Registration> {
        let mut open = self.lock();
        if address.is_some() {
            open.make_room(self.max_per_address, |entry| entry.address == address)?;
        }
        open.make_room(self.max_total, |_| true)?;
        let (id, closing) = (open.next_id, Arc::new(Notify::new()));
        open.next_id += 1;
        open.by_id.insert(id, Entry { address, waiting_since: Some(Instant::now()), closing: closing.clone() });
        Some(Registration { connections: self.clone(), id, closing })
    }

    fn set_waiting_since(&self, id: u64, since: Option<Instant>) {
        // A connection that is being closed is no longer in the map.
        if let Some(entry) = self.lock().by_id.get_mut(&id) {
            entry.waiting_since = since;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Closes the longest-waiting connection among those that count, if there are `max` of them. `None` if there are and
    /// none of them waits.
    fn make_room(&mut self, max: usize, counts: impl Fn(&Entry) -> bool) -> Option<()> {
        if self.by_id.len() < max || self.by_id.values().filter(|entry| counts(entry)).count() < max {
            return Some(());
        }
        let waiting = self.by_id.iter().filter(|(_, entry)| counts(entry));
        let (_, id) = waiting.filter_map(|(id, entry)| Some((entry.waiting_since?, *id))).min()?;
        self.by_id.remove(&id)?.closing.notify_one();
        Some(())
    }
}

impl Registration {
    /// Waits until the connection has to make room for another one.
    pub(crate) async fn closing(&self) {
        self.closing.notified().await;
    }

    /// Marks the connection as handling a request until the result is dropped.
    pub(crate) fn begin_request(&self) -> ActiveRequest {
        self.connections.set_waiting_since(self.id, None);
        ActiveRequest { connections: self.connections.clone(), id: self.id }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.connections.lock().by_id.remove(&self.id);
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.connections.set_waiting_since(self.id, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn must_close(registration: &Registration) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime
            .block_on(async { tokio::time::timeout(std::time::Duration::ZERO, registration.closing()).await.is_ok() })
    }

    #[test]
    fn the_longest_waiting_connection_makes_room() {
        let connections = Connections::new(2, 2);
        let first = connections.register(Some(address(1))).unwrap();
        let second = connections.register(Some(address(2))).unwrap();
        let _third = connections.register(Some(address(3))).unwrap();
        assert!(must_close(&first) && !must_close(&second));
    }

    #[test]
    fn a_connection_that_handles_a_request_stays() {
        let connections = Connections::new(2, 2);
        let first = connections.register(Some(address(1))).unwrap();
        let request = first.begin_request();
        let second = connections.register(Some(address(2))).unwrap();
        let third = connections.register(Some(address(3))).unwrap();
        assert!(!must_close(&first) && must_close(&second));
        let _other = third.begin_request();
        assert!(connections.register(Some(address(4))).is_none(), "both connections handle requests");
        drop(request);
        assert!(connections.register(Some(address(4))).is_some());
        assert!(must_close(&first));
    }

    #[test]
    fn an_address_can_fill_only_its_share() {
        let connections = Connections::new(4, 2);
        let other = connections.register(Some(address(2))).unwrap();
        let mine: Vec<_> = (0..3).map(|_| connections.register(Some(address(1))).unwrap()).collect();
        assert!(must_close(&mine[0]) && !must_close(&mine[1]) && !must_close(&other));
        let _requests = [mine[1].begin_request(), mine[2].begin_request()];
        assert!(connections.register(Some(address(1))).is_none());
        assert!(connections.register(None).is_some(), "a proxy has no share");
    }
}
