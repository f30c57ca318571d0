//! The reconciler: repairs what was interrupted.
//!
//! One process at a time, by a lease in the database, repairs jobs whose split request was lost or whose splitter died;
//! jobs whose batches were lost with their broker; jobs that are complete but not finished; counters that lag the
//! ledger; dead letters. It also runs retention. A lost broker, lost counters and a process that died between two steps
//! are all handled here and nowhere else.

use std::collections::HashMap;
use std::time::Duration;

use muster_domain::JobId;
use muster_ports::{StoreError, publish_split_request};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::IngestDeps;
use crate::config::IngestConfig;
use crate::metrics::Repair;
use crate::upkeep::counters::CounterRepair;
use crate::upkeep::dead_letters::triage;
use crate::upkeep::repair::{self, Repairs};
use crate::upkeep::retention::{self, RetentionPolicy};
use crate::upkeep::sweep::sweep;

const TICK: Duration = Duration::from_secs(1);
/// How long a leader that has died keeps other processes from leading.
const LEADERSHIP_DURATION: Duration = Duration::from_secs(10);
/// The minimum time between two split requests for a job.
const SPLIT_REQUEST_INTERVAL: Duration = Duration::from_secs(5);
/// How many ticks pass between two rounds of repairs other than split requests.
const TICKS_BETWEEN_REPAIRS: u64 = 2;
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
/// How often the dead letters are triaged and retention runs.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(10);
const TRIAGE_TIMEOUT: Duration = Duration::from_mins(5);

pub(crate) fn start(deps: &IngestDeps, config: &IngestConfig) {
    let mut reconciler = Reconciler {
        deps: deps.clone(),
        holder: format!("{:016x}", rand::random::<u64>()),
        requested: HashMap::new(),
        repairs: Repairs::default(),
        counters: CounterRepair::default(),
        sweep: None,
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
                tracing::warn!(%error, "reconciler pass failed; will retry");
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
    repairs: Repairs,
    counters: CounterRepair,
    /// When this process last started to sweep the raw store, and its task.
    sweep: Option<(Instant, JoinHandle<()>)>,
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
            self.repair_running_jobs().await?;
            self.complete_stops().await?;
        }
        if self.sweep.as_ref().is_none_or(|(at, task)| at.elapsed() > SWEEP_INTERVAL && task.is_finished()) {
            self.sweep = Some((Instant::now(), self.start_sweep()));
        }
        if self.upkeep.as_ref().is_none_or(|(at, task)| at.elapsed() > UPKEEP_INTERVAL && task.is_finished()) {
            self.upkeep = Some((Instant::now(), self.start_upkeep()));
        }
        Ok(())
    }

    /// In a task of its own: listing millions of uploads takes a while.
    fn start_sweep(&self) -> JoinHandle<()> {
        let deps = self.deps.clone();
        self.deps.tasks.spawn("sweep", async move {
            if let Some(Err(error)) = deps.shutdown.run_until_requested(sweep(&deps)).await {
                tracing::warn!(%error, "could not sweep the raw store; will retry in an hour");
            }
        })
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

    /// Repairs jobs that are being processed. A job that cannot be repaired keeps no other waiting.
    async fn repair_running_jobs(&mut self) -> Result<(), StoreError> {
        let running = self.deps.store.running_jobs().await?;
        for job in &running {
            if job.total_batches.is_some_and(|total| job.applied >= total) {
                self.repairs.start(&self.deps, job.job, repair::finish(self.deps.clone(), job.job));
            } else if job.is_overdue {
                let split_ms = job.split_ms.unwrap_or_default();
                self.repairs.start(&self.deps, job.job, repair::restart_split(self.deps.clone(), job.job, split_ms));
            }
        }
        self.counters.check(&self.deps, &running).await;
        Ok(())
    }

    async fn complete_stops(&mut self) -> Result<(), StoreError> {
        for (tenant, job) in self.deps.store.jobs_to_stop().await? {
            self.repairs.start(&self.deps, job, repair::complete_stop(self.deps.clone(), tenant, job));
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
