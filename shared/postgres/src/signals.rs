//! Receives notifications about jobs that made progress in any process, by LISTEN.

use std::sync::OnceLock;
use std::time::Duration;

use muster_domain::JobId;
use muster_ports::Signals;
use muster_runtime::{Backoff, Shutdown, Tasks};
use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::broadcast;

/// The channel of the notifications; see `record_batch.sql` and `notify_job.sql`.
const CHANNEL: &str = "muster_jobs";

/// A listener that has received nothing for this long reconnects: its connection may have died unnoticed.
const MAX_SILENCE: Duration = Duration::from_mins(1);

/// One listener for the whole process, started by the first subscriber.
#[derive(Debug)]
pub(crate) struct SignalSource {
    pool: PgPool,
    tasks: Tasks,
    shutdown: Shutdown,
    sender: OnceLock<broadcast::Sender<JobId>>,
}

impl SignalSource {
    pub(crate) fn new(pool: PgPool, tasks: Tasks, shutdown: Shutdown) -> Self {
        Self { pool, tasks, shutdown, sender: OnceLock::new() }
    }

    pub(crate) fn subscribe(&self) -> Signals {
        let sender = self.sender.get_or_init(|| {
            let (sender, _) = broadcast::channel(1024);
            let listening = listen(self.pool.clone(), sender.clone());
            let shutdown = self.shutdown.clone();
            self.tasks
                .spawn_detached("listen for job signals", async move { shutdown.run_until_requested(listening).await });
            sender
        });
        Signals::new(sender.subscribe())
    }
}

async fn listen(pool: PgPool, sender: broadcast::Sender<JobId>) {
    let mut backoff = Backoff::reconnect();
    loop {
        if let Err(error) = follow(&pool, &sender, &mut backoff).await {
            tracing::debug!(%error, "job signals interrupted; waiting continues by polling");
        }
        backoff.wait().await;
    }
}

async fn follow(pool: &PgPool, sender: &broadcast::Sender<JobId>, backoff: &mut Backoff) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    backoff.reset();
    loop {
        let Ok(notification) = tokio::time::timeout(MAX_SILENCE, listener.recv()).await else { return Ok(()) };
        let notification = notification?;
        if let Ok(id) = notification.payload().parse() {
            // Having no subscriber is no error.
            let _ = sender.send(JobId(id));
        }
    }
}
