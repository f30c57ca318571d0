//! Receives notifications about jobs that became final in any process, by LISTEN.
//!
//! Batches send none: a transaction that notifies holds a lock of the whole server until it is durable, so that batches
//! would be committed one after another. The splitter queries the ledger instead.

use std::sync::Once;
use std::time::Duration;

use muster_domain::JobId;
use muster_ports::{SignalHub, Signals};
use muster_runtime::{Backoff, Shutdown, Tasks};
use sqlx::postgres::{PgListener, PgPool};

/// The channel of the notifications; see `notify_job.sql`.
const CHANNEL: &str = "muster_jobs";

/// A listener that has received nothing for this long reconnects: its connection may have died unnoticed.
const MAX_SILENCE: Duration = Duration::from_mins(1);

/// One listener for the whole process, started by the first subscriber.
#[derive(Debug)]
pub(crate) struct SignalSource {
    pool: PgPool,
    tasks: Tasks,
    shutdown: Shutdown,
    hub: SignalHub,
    listening: Once,
}

impl SignalSource {
    pub(crate) fn new(pool: PgPool, tasks: Tasks, shutdown: Shutdown) -> Self {
        Self { pool, tasks, shutdown, hub: SignalHub::default(), listening: Once::new() }
    }

    pub(crate) fn subscribe(&self, job: JobId) -> Signals {
        self.listening.call_once(|| {
            let listening = listen(self.pool.clone(), self.hub.clone());
            let shutdown = self.shutdown.clone();
            self.tasks
                .spawn_detached("listen for job signals", async move { shutdown.run_until_requested(listening).await });
        });
        self.hub.subscribe(job)
    }
}

async fn listen(pool: PgPool, hub: SignalHub) {
    let mut backoff = Backoff::reconnect();
    loop {
        if let Err(error) = follow(&pool, &hub, &mut backoff).await {
            tracing::debug!(%error, "job signals interrupted; waiting continues by polling");
        }
        backoff.wait().await;
    }
}

async fn follow(pool: &PgPool, hub: &SignalHub, backoff: &mut Backoff) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    backoff.reset();
    // Jobs may have become final while nobody listened.
    hub.notify_all();
    loop {
        let Ok(notification) = tokio::time::timeout(MAX_SILENCE, listener.recv()).await else { return Ok(()) };
        let notification = notification?;
        if let Ok(id) = notification.payload().parse() {
            hub.notify(JobId(id));
        }
    }
}
