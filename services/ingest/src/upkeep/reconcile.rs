//! The reconciler: repairs what was interrupted.
//!
//! One process at a time, by a lease in the database, repairs jobs whose split request was lost or whose splitter died;
//! jobs whose batches were lost with their broker; jobs that are complete but not finished; counters that lag the
//! ledger; dead letters. It also runs retention. A lost broker, lost counters and a process that died between two steps
//! are all handled here and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use muster_domain::JobId;
use muster_ports::{StoreError, finish_job_and_start_next, publish_split_request};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::metrics::Repair;
use crate::upkeep::dead_letters::triage;
use crate::upkeep::retention::{self, RetentionPolicy};
use crate::upkeep::sweep::sweep;

const TICK: Duration = Duration::from_secs(1);
/// How long a leader that has died keeps other processes from leading.
const LEADERSHIP_DURATION: Duration = Duration::from_secs(10);
/// The minimum time between two split requests for a job.
const SPLIT_REQUEST_INTERVAL: Duration = Duration::from_secs(5);
/// How many ticks pass between two rounds of repairs other than split requests.
const TICKS_BETWEEN_REPAIRS: u64 = 2;
/// The number of checks in a row after which lagging counters are rebuilt: by then every worker has had the time to
/// count.
const CHECKS_BEFORE_REBUILD: u32 = 2;
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
/// How often the dead letters are triaged and retention runs.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);
const TRIAGE_TIMEOUT: Duration = Duration::from_mins(5);

pub(crate) fn start(deps: &IngestDeps, config: &IngestConfig) {
    let mut reconciler = Reconciler {
        deps: deps.clone(),
        holder: format!("{:016x}", rand::random::<u64>()),
        requested: HashMap::new(),
        lagging: HashMap::new(),
        last_sweep: None,
        policy: RetentionPolicy::new(config),
        upkeep: None,
    };
    let shutdown = deps.shutdown.clone();
    deps.tasks.spawn("reconciler", async move {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0;
        while shutdown.run_until_requested(ticks.tick()).await.is_some() {
            if let Err(error) = reconciler.run_pass(count).await {
                tracing::debug!(%error, "reconciler pass failed; will retry");
            }
            count += 1;
        }
    });
}

struct Reconciler {
    deps: IngestDeps,
    holder: String,
    /// When the split of a job was last requested.
    requested: HashMap<JobId, Instant>,
    /// In how many checks in a row the counters of a job lagged its ledger.
    lagging: HashMap<JobId, u32>,
    /// When this process last started to sweep the raw store.
    last_sweep: Option<Instant>,
    policy: RetentionPolicy,
    /// When this process last started the upkeep, and its task.
    upkeep: Option<(Instant, JoinHandle<()>)>,
}

impl Reconciler {
    async fn run_pass(&mut self, tick: u64) -> Result<(), StoreError> {
        let leads = self.deps.store.try_acquire_leadership(&self.holder, LEADERSHIP_DURATION).await;
        self.deps.metrics.set_leads(matches!(leads, Ok(true)));
        if !leads? {
            return Ok(());
        }
        self.request_waiting_splits().await?;
        if tick.is_multiple_of(TICKS_BETWEEN_REPAIRS) {
            self.restart_stalled_splits().await?;
            self.complete_stops().await?;
            self.finish_complete_jobs().await?;
            self.repair_counters().await?;
        }
        if self.last_sweep.is_none_or(|at| at.elapsed() > SWEEP_INTERVAL) {
            self.last_sweep = Some(Instant::now());
            self.start_sweep();
        }
        if self.upkeep.as_ref().is_none_or(|(at, task)| at.elapsed() > UPKEEP_INTERVAL && task.is_finished()) {
            self.upkeep = Some((Instant::now(), self.start_upkeep()));
        }
        Ok(())
    }

    /// In a task of its own: listing millions of uploads takes a while.
    fn start_sweep(&self) {
        let deps = self.deps.clone();
        self.deps.tasks.spawn("sweep", async move {
            if let Some(Err(error)) = deps.shutdown.run_until_requested(sweep(&deps)).await {
                tracing::warn!(%error, "could not sweep the raw store; will retry in an hour");
            }
        });
    }

    /// In a task of its own: the broker or the raw store may be slow.
    fn start_upkeep(&self) -> JoinHandle<()> {
        let (deps, policy) = (self.deps.clone(), self.policy);
        self.deps.tasks.spawn("upkeep", async move {
            deps.shutdown.run_until_requested(run_upkeep(&deps, policy)).await;
        })
    }

    async fn request_waiting_splits(&mut self) -> Result<(), StoreError> {
        self.requested.retain(|_, at| at.elapsed() < SPLIT_REQUEST_INTERVAL);
        for job in self.deps.store.jobs_to_split().await? {
            if self.requested.contains_key(&job) {
                continue;
            }
            if !self.request_split(job).await {
                // The queue is unavailable for the other jobs too.
                return Ok(());
            }
            self.deps.metrics.count_repair(Repair::SplitRequested);
            self.requested.insert(job, Instant::now());
        }
        Ok(())
    }

    /// Returns whether the queue confirmed the request.
    async fn request_split(&self, job: JobId) -> bool {
        publish_split_request(&*self.deps.queue, job, Vec::new()).await.is_ok()
    }

    async fn restart_stalled_splits(&self) -> Result<(), StoreError> {
        for job in self.deps.store.restart_stalled_splits().await? {
            tracing::warn!(%job, "batches of this job are missing; its split restarts");
            self.deps.metrics.count_repair(Repair::SplitRestarted);
            self.request_split(job).await;
        }
        Ok(())
    }

    async fn complete_stops(&self) -> Result<(), StoreError> {
        for finished in self.deps.store.complete_stops().await? {
            tracing::info!(job = %finished.job, state = finished.state.as_str(), "completed the stop of a job");
            self.deps.metrics.count_repair(Repair::Stopped);
            self.deps.metrics.count_finished(finished.state);
        }
        Ok(())
    }

    async fn finish_complete_jobs(&self) -> Result<(), StoreError> {
        for job in self.deps.store.jobs_to_finish().await? {
            if let Some(finished) = finish_job_and_start_next(&*self.deps.store, &*self.deps.queue, job).await? {
                tracing::info!(%job, state = finished.state.as_str(), "job finished");
                self.deps.metrics.count_repair(Repair::Finished);
                self.deps.metrics.count_finished(finished.state);
            }
        }
        Ok(())
    }

    /// Rebuilds counters that are missing, or that lagged the ledger in several checks in a row.
    async fn repair_counters(&mut self) -> Result<(), StoreError> {
        let running = self.deps.store.running_jobs().await?;
        self.lagging.retain(|job, _| running.contains(job));
        for job in running {
            // The ledger is read first, so that batches counted in between are not taken for a lag.
            let applied = self.deps.store.ledger_totals(job).await?.batches;
            let Ok(view) = self.deps.counters.read(job).await else { continue };
            if view.is_some_and(|view| view.batches >= applied) {
                self.lagging.remove(&job);
                continue;
            }
            let checks = self.lagging.entry(job).or_default();
            *checks += 1;
            if view.is_none() || *checks >= CHECKS_BEFORE_REBUILD {
                self.lagging.remove(&job);
                let _ = self.deps.counters.forget(job).await;
                // The ledger is read after the old view is gone: a worker that counts in between finds no view and
                // rebuilds it too.
                let _ = self.deps.counters.rebuild(job, &self.deps.store.ledger_snapshot(job).await?).await;
                self.deps.metrics.count_repair(Repair::CountersRebuilt);
            }
        }
        Ok(())
    }
}

async fn run_upkeep(deps: &IngestDeps, policy: RetentionPolicy) {
    if let Some(letters) = &deps.dead_letters {
        let result = tokio::time::timeout(TRIAGE_TIMEOUT, triage(&**letters, &*deps.store, &deps.metrics)).await;
        if let Ok(Err(error)) = result {
            tracing::debug!(%error, "could not process dead letters; will retry");
        }
    }
    if let Err(error) = retention::run_pass(deps, policy).await {
        tracing::warn!(%error, "retention pass failed; will retry");
    }
}
