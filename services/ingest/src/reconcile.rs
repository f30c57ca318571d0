//! Puts right whatever was interrupted.
//!
//! One process at a time, by a lease in the database: jobs that were accepted and not rung for, or
//! whose splitter died; jobs whose batches were lost with their broker; jobs that are complete and
//! not finished; counters that lag behind the ledger; dead letters; what has been kept for long enough.
//! It is what makes "lost broker", "lost counters" and "killed between two lines" one case.

use std::collections::HashMap;
use std::time::Duration;

use muster_domain::JobId;
use muster_messages::SplitMessage;
use muster_ports::{QueueName, StoreError, finish_and_ring};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::config::IngestConfig;
use crate::metrics::Repair;
use crate::retain::{self, Keep};
use crate::sweep::sweep;
use crate::{IngestDeps, dead};

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
/// How often whoever leads goes through the dead letters, and removes what was kept for long enough.
const UPKEEP_PAUSE: Duration = Duration::from_secs(10);
/// How long going through the dead letters may take.
const DEAD_DEADLINE: Duration = Duration::from_mins(5);

pub(crate) fn start(deps: &IngestDeps, config: &IngestConfig) {
    let mut reconciler = Reconciler {
        deps: deps.clone(),
        holder: format!("{:016x}", rand::random::<u64>()),
        rung: HashMap::new(),
        lagging: HashMap::new(),
        swept: None,
        keep: Keep::of(config),
        upkeep: None,
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
    keep: Keep,
    /// When upkeep was last begun by this process, and whether it still runs.
    upkeep: Option<(Instant, JoinHandle<()>)>,
}

impl Reconciler {
    async fn look(&mut self, tick: u64) -> Result<(), StoreError> {
        let leads = self.deps.store.lead(&self.holder, LEADERSHIP).await;
        self.deps.metrics.leads(matches!(leads, Ok(true)));
        if !leads? {
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
        if self.upkeep.as_ref().is_none_or(|(at, task)| at.elapsed() > UPKEEP_PAUSE && task.is_finished()) {
            self.upkeep = Some((Instant::now(), self.start_upkeep()));
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

    /// A task of its own: the broker or the raw store may be slow to answer.
    fn start_upkeep(&self) -> JoinHandle<()> {
        let (deps, keep) = (self.deps.clone(), self.keep);
        self.deps.tasks.spawn("upkeep", async move {
            deps.shutdown.unless_begun(upkeep(&deps, keep)).await;
        })
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
            self.deps.metrics.repaired(Repair::Rung);
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
            self.deps.metrics.repaired(Repair::CutAgain);
            self.ring(job).await;
        }
        Ok(())
    }

    async fn complete_stops(&self) -> Result<(), StoreError> {
        for finished in self.deps.store.complete_stops().await? {
            tracing::info!(state = finished.state.as_str(), "a stop was completed");
            self.deps.metrics.repaired(Repair::Stopped);
            self.deps.metrics.finished(finished.state);
        }
        Ok(())
    }

    async fn finish_complete(&self) -> Result<(), StoreError> {
        for job in self.deps.store.jobs_to_finish().await? {
            if let Some(finished) = finish_and_ring(&*self.deps.store, &*self.deps.queue, job).await? {
                tracing::info!(%job, state = finished.state.as_str(), "job finished");
                self.deps.metrics.repaired(Repair::Finished);
                self.deps.metrics.finished(finished.state);
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
                self.deps.metrics.repaired(Repair::CountersRebuilt);
            }
        }
        Ok(())
    }
}

async fn upkeep(deps: &IngestDeps, keep: Keep) {
    if let Some(letters) = &deps.dead_letters {
        let tidying = tokio::time::timeout(DEAD_DEADLINE, dead::tidy(&**letters, &*deps.store, &deps.metrics)).await;
        if let Ok(Err(error)) = tidying {
            tracing::debug!(%error, "the dead letters could not be gone through; they will be");
        }
    }
    if let Err(error) = retain::look(deps, keep).await {
        tracing::warn!(%error, "what was kept for long enough could not be removed; it will be");
    }
}
