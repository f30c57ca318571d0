//! Threads with a connection each, which run what they are sent.

use std::sync::{Arc, Mutex, PoisonError};

use muster_ports::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::store_error;

type Task = Box<dyn FnOnce(&mut Connection) + Send>;

/// Tasks that wait for a thread at most; a caller waits for room.
const WAITING: usize = 256;

/// A group of threads that share one queue of tasks. They end when this is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    sender: mpsc::Sender<Task>,
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
        Ok(Self { sender })
    }

    /// Runs a piece of work on one of the threads. It runs to its end even if the caller goes away.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |connection| {
            // Nobody waiting any more is no error.
            let _ = reply.send(work(connection));
        });
        self.sender.send(task).await.map_err(|_| StoreError::Unavailable(None))?;
        answer.await.map_err(|_| StoreError::Unavailable(None))?.map_err(store_error)
    }
}
