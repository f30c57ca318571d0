//! Threads with a connection each, which run what they are sent; or one connection without a thread.

use std::sync::{Arc, Mutex, PoisonError};

use muster_ports::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::store_error;

type Task = Box<dyn FnOnce(&mut Connection) + Send>;

/// Tasks that wait for a thread at most; a caller waits for room.
const WAITING: usize = 256;

/// Where work on the database is done.
#[derive(Clone, Debug)]
pub(crate) enum Threads {
    /// By a group of threads that share one queue of tasks. They end when this is dropped.
    Group(mpsc::Sender<Task>),
    /// In the calling thread: all work is done in the order of the calls.
    Caller(Arc<Mutex<Connection>>),
}

impl Threads {
    /// Starts a thread for each connection.
    pub(crate) fn start(name: &str, connections: Vec<Connection>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Task>(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for mut connection in connections {
            let receiver = receiver.clone();
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                loop {
                    let task = receiver.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    let Some(task) = task else { return };
                    task(&mut connection);
                }
            })?;
        }
        Ok(Self::Group(sender))
    }

    /// Uses no thread.
    pub(crate) fn caller(connection: Connection) -> Self {
        Self::Caller(Arc::new(Mutex::new(connection)))
    }

    /// Runs a piece of work. On a thread, it runs to its end even if the caller goes away.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let sender = match self {
            Self::Group(sender) => sender,
            Self::Caller(connection) => {
                // As with threads, anything may come between two pieces of work of one call.
                tokio::task::yield_now().await;
                return work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)).map_err(store_error);
            }
        };
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // Nobody waiting any more is no error.
            let _ = reply.send(work(connection));
        });
        sender.send(task).await.map_err(|_| StoreError::Unavailable(None))?;
        answer.await.map_err(|_| StoreError::Unavailable(None))?.map_err(store_error)
    }
}
