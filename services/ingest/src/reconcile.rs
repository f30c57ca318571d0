//! Puts right whatever was interrupted.
//!
//! One process at a time, by a lease in the database: jobs that were accepted and not rung for, or
//! whose splitter died; jobs whose batches were lost with their broker; jobs that are complete and
//! not finished; counters that lag behind the ledger. It is what makes "lost broker", "lost
//! counters" and "killed between two lines" one case.

use std::collections::HashMap;
use std::time::Duration;

use muster_domain::JobId;
use muster_messages::SplitMessage;
use muster_ports::{QueueName, StoreError, finish_and_ring};
use tokio::time::{Instant, MissedTickBehavior};

use crate::IngestDeps;
use crate::sweep::sweep;

const TICK: Duration = Duration::from_secs(1);
/// How long a leader that does not come back keeps the others waiting.
const LEADERSHIP: Duration = Duration::from_secs(10);
/// A job that was rung for is not rung for again before this.
const RING_PAUSE: Duration = Duration::from_secs(5);
/// How long the queue may take to hear a bell.
const RING_DEADLINE: Duration = Duration::from_secs(4);
/// Every how many ticks the rarer looks are taken.
const RARE: u64 = 2;
/// How often whoever leads sweeps the raw store.
const SWEEP_PAUSE: Duration = Duration::from_hours(1);

pub(crate) fn start(deps: &IngestDeps) {
    let mut reconciler = Reconciler {
        deps: deps.clone(),
        holder: format!("{:016x}", rand::random::<u64>()),
        rung: HashMap::new(),
        lagging: HashMap::new(),
        swept: None,
    };
    let shutdown = deps.shutdown.clone();
    deps.tasks.spawn("reconciler", async move {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0;
        while shutdown.unless_begun(ticks.tick()).await.is_some() {
            if let Err(error) = reconciler.look(count).await {
                tracing::debug!(%error, "the reconciler could not look; it will again");
            }
            count += 1;
        }
    });
}

struct Reconciler {
    deps: IngestDeps,
    holder: String,
    /// When a job was last rung for.
    rung: HashMap<JobId, Instant>,
    /// How many looks in a row the counters of a job were behind its ledger.
    lagging: HashMap<JobId, u32>,
    /// When the raw store was last swept by this process.
    swept: Option<Instant>,
}

impl Reconciler {
    async fn look(&mut self, tick: u64) -> Result<(), StoreError> {
        if !self.deps.store.lead(&self.holder, LEADERSHIP).await? {
            return Ok(());
        }
        self.ring_for_waiting().await?;
        if tick.is_multiple_of(RARE) {
            self.restart_stalled().await?;
            self.complete_stops().await?;
            self.finish_complete().await?;
            self.repair_counters().await?;
        }
        if self.swept.is_none_or(|at| at.elapsed() > SWEEP_PAUSE) {
            self.swept = Some(Instant::now());
            self.start_sweep();
        }
        Ok(())
    }

    /// A task of its own: a store with millions of uploads takes a while to list.
    fn start_sweep(&self) {
        let deps = self.deps.clone();
        self.deps.tasks.spawn("sweep", async move {
            if let Some(Err(error)) = deps.shutdown.unless_begun(sweep(&deps)).await {
                tracing::warn!(%error, "the raw store could not be swept; it will be in an hour");
            }
        });
    }

    async fn ring_for_waiting(&mut self) -> Result<(), StoreError> {
        self.rung.retain(|_, at| at.elapsed() < RING_PAUSE);
        for job in self.deps.store.jobs_to_split().await? {
            if self.rung.contains_key(&job) {
                continue;
            }
            if !self.ring(job).await {
                // The queue is away: so it is for the others.
                return Ok(());
            }
            self.rung.insert(job, Instant::now());
        }
        Ok(())
    }

    /// Says whether the bell was heard.
    async fn ring(&self, job: JobId) -> bool {
        let ringing = self.deps.queue.publish(QueueName::Split, SplitMessage { job }.into());
        matches!(tokio::time::timeout(RING_DEADLINE, ringing).await, Ok(Ok(())))
    }

    async fn restart_stalled(&self) -> Result<(), StoreError> {
        for job in self.deps.store.restart_stalled_splits().await? {
            tracing::warn!(%job, "batches of this job are missing; its file is cut again");
            self.ring(job).await;
        }
        Ok(())
    }

    async fn complete_stops(&self) -> Result<(), StoreError> {
        for finished in self.deps.store.complete_stops().await? {
            tracing::info!(state = finished.state.as_str(), "a stop was completed");
        }
        Ok(())
    }

    async fn finish_complete(&self) -> Result<(), StoreError> {
        for job in self.deps.store.jobs_to_finish().await? {
            if let Some(finished) = finish_and_ring(&*self.deps.store, &*self.deps.queue, job).await? {
                tracing::info!(%job, state = finished.state.as_str(), "job finished");
            }
        }
        Ok(())
    }

    /// Rebuilds counters that are away, or that have been behind the ledger in two looks running:
    /// whoever counts has had time to.
    async fn repair_counters(&mut self) -> Result<(), StoreError> {
        let running = self.deps.store.running_jobs().await?;
        self.lagging.retain(|job, _| running.contains(job));
        for job in running {
            // The ledger first: what is counted meanwhile must not look like a lag.
            let applied = self.deps.store.ledger_totals(job).await?.batches;
            let Ok(view) = self.deps.counters.read(job).await else { continue };
            if view.is_some_and(|view| view.batches >= applied) {
                self.lagging.remove(&job);
                continue;
            }
            let looks = self.lagging.entry(job).or_default();
            *looks += 1;
            if view.is_none() || *looks >= 2 {
                self.lagging.remove(&job);
                let _ = self.deps.counters.forget(job).await;
                // Read after the old view is gone: who counts meanwhile is refused and rebuilds too.
                let _ = self.deps.counters.rebuild(job, &self.deps.store.ledger_view(job).await?).await;
            }
        }
        Ok(())
    }
}
