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

const TICK: Duration = Duration::from_secs(1);
/// How long a leader that does not come back keeps the others waiting.
const LEADERSHIP: Duration = Duration::from_secs(10);
/// A job that was rung for is not rung for again before this.
const RING_PAUSE: Duration = Duration::from_secs(5);
/// Every how many ticks the rarer looks are taken.
const RARE: u64 = 2;

pub(crate) fn start(deps: &IngestDeps) {
    let mut reconciler = Reconciler {
        deps: deps.clone(),
        holder: format!("{:016x}", rand::random::<u64>()),
        rung: HashMap::new(),
        lagging: HashMap::new(),
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
}

impl Reconciler {
    async fn look(&mut self, tick: u64) -> Result<(), StoreError> {
        if !self.deps.store.lead(&self.holder, LEADERSHIP).await? {
            return Ok(());
        }
        self.ring_for_waiting().await?;
        if tick.is_multiple_of(RARE) {
            self.restart_stalled().await?;
            self.finish_complete().await?;
            self.repair_counters().await?;
        }
        Ok(())
    }

    async fn ring_for_waiting(&mut self) -> Result<(), StoreError> {
        self.rung.retain(|_, at| at.elapsed() < RING_PAUSE);
        for job in self.deps.store.jobs_to_split().await? {
            if !self.rung.contains_key(&job) {
                self.ring(job).await;
                self.rung.insert(job, Instant::now());
            }
        }
        Ok(())
    }

    async fn ring(&self, job: JobId) {
        if let Err(error) = self.deps.queue.publish(QueueName::Split, SplitMessage { job }.into()).await {
            tracing::debug!(%job, %error, "the queue did not take a split");
        }
    }

    async fn restart_stalled(&self) -> Result<(), StoreError> {
        for job in self.deps.store.restart_stalled_splits().await? {
            tracing::warn!(%job, "batches of this job are missing; its file is cut again");
            self.ring(job).await;
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

    /// Drops and rebuilds counters that have been behind the ledger in two looks: whoever counts
    /// has had time to. Counters that are away are left for whoever counts next.
    async fn repair_counters(&mut self) -> Result<(), StoreError> {
        let running = self.deps.store.running_jobs().await?;
        self.lagging.retain(|job, _| running.contains(job));
        for job in running {
            // The ledger first: what is counted meanwhile must not look like a lag.
            let ledger = self.deps.store.ledger_view(job).await?;
            let Ok(view) = self.deps.counters.read(job).await else { continue };
            let lags = view.is_none_or(|view| view.batches < ledger.batches.len() as u64);
            if !lags {
                self.lagging.remove(&job);
                continue;
            }
            let looks = self.lagging.entry(job).or_default();
            *looks += 1;
            if view.is_none() || *looks >= 2 {
                let _ = self.deps.counters.forget(job).await;
                let _ = self.deps.counters.rebuild(job, &ledger).await;
                self.lagging.remove(&job);
            }
        }
        Ok(())
    }
}
