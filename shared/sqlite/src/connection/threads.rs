//! Runs work on the database: on threads, each with its own connection, or in the calling thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use muster_ports::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::connection::error::store_error;

type Task = Box<dyn FnOnce(&mut Connection) + Send>;

/// The maximum number of tasks that wait for a thread. A caller waits until there is room.
const MAX_WAITING_TASKS: usize = 256;

/// Where work on the database runs.
#[derive(Clone, Debug)]
pub(crate) enum Threads {
    /// On a group of threads that share one queue of tasks. They end when this is dropped.
    Group(mpsc::Sender<Task>),
    /// In the calling thread, in the order of the calls.
    InPlace(Arc<Mutex<Connection>>),
}

impl Threads {
    /// Starts a thread for each connection.
    pub(crate) fn start(name: &str, connections: Vec<Connection>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Task>(MAX_WAITING_TASKS);
        let receiver = Arc::new(Mutex::new(receiver));
        for mut connection in connections {
            let receiver = receiver.clone();
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                loop {
                    let task = receiver.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    let Some(task) = task else { return };
                    // A panic fails the call, which the dropped sender tells the caller. A transaction is rolled back as it
                    // unwinds, so the connection can be used again.
                    if catch_unwind(AssertUnwindSafe(|| task(&mut connection))).is_err() {
                        tracing::error!("a call of the database panicked");
                    }
                }
            })?;
        }
        Ok(Self::Group(sender))
    }

    /// Runs work in the calling thread.
    pub(crate) fn in_place(connection: Connection) -> Self {
        Self::InPlace(Arc::new(Mutex::new(connection)))
    }

    /// Runs a piece of work. On a thread, it runs to its end even if the caller is dropped.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let sender = match self {
            Self::Group(sender) => sender,
            Self::InPlace(connection) => {
                // Lets other work run first, as may happen with threads.
                tokio::task::yield_now().await;
                return work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)).map_err(store_error);
            }
        };
        let (result_sender, result) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // The caller may be gone, which is not an error.
            let _ = result_sender.send(work(connection));
        });
        sender.send(task).await.map_err(|_| StoreError::Unavailable(None))?;
        result.await.map_err(|_| StoreError::Unavailable(None))?.map_err(store_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_fails_its_own_call_only() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let threads = Threads::start("writer", vec![Connection::open_in_memory().unwrap()]).unwrap();
        runtime.block_on(async {
            let failed = threads.call(|_| -> rusqlite::Result<()> { panic!("for the test") }).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))));
            let number: i64 = threads.call(|db| db.query_row("select 1", [], |row| row.get(0))).await.unwrap();
            assert_eq!(number, 1);
        });
    }
}
