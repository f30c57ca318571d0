//! All processes of a world, which are restarted when they die.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use muster_ingest::{IngestConfig, IngestDeps, IngestMetrics};
use muster_runtime::Tasks;
use muster_sqlite::SqliteStore;
use muster_status::{StatusDeps, StatusMetrics};
use muster_worker::{WorkerConfig, WorkerDeps, WorkerMetrics};
use tokio::time::sleep;

use super::process::Process;
use super::servers::broker::{Broker, SimQueue};
use super::servers::counters::{SharedCounters, SimCounters};
use super::servers::raw_store::{SharedUploads, SimRawStore};
use super::servers::store::SimStore;
use super::servers::truth::Truth;
use super::world::{START_MS, World, lock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Ingest,
    Worker,
}

/// The current life of a process.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) process: Arc<Process>,
    /// Its HTTP routes, if it serves any.
    pub(crate) routes: Option<Router>,
}

struct Slot {
    role: Role,
    number: usize,
    life: Mutex<Option<Life>>,
}

/// All processes of a world, and the servers that they share.
pub(crate) struct Site {
    pub(crate) world: Arc<World>,
    pub(crate) truth: Arc<Truth>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) counters: Arc<SharedCounters>,
    pub(crate) uploads: Arc<SharedUploads>,
    pub(crate) database: Arc<SqliteStore>,
    slots: Vec<Slot>,
}

impl Site {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        let truth = Truth::new(world);
        let clock = {
            let world = world.clone();
            move || START_MS + world.elapsed_ms().cast_signed()
        };
        let roles = [(Role::Ingest, world.plan.ingests), (Role::Worker, world.plan.workers)];
        let slots = roles
            .into_iter()
            .flat_map(|(role, count)| (1..=count).map(move |number| Slot { role, number, life: Mutex::default() }));
        Arc::new(Self {
            world: world.clone(),
            broker: Broker::new(world, &truth),
            truth,
            counters: Arc::default(),
            uploads: Arc::default(),
            database: Arc::new(SqliteStore::simulated(clock).unwrap()),
            slots: slots.collect(),
        })
    }

    /// Starts every process, and restarts it whenever it dies.
    pub(crate) fn start(self: &Arc<Self>, tasks: &Tasks) {
        for index in 0..self.slots.len() {
            let site = self.clone();
            tasks.spawn("supervisor", async move {
                loop {
                    let life = site.start_process(&site.slots[index]);
                    *lock(&site.slots[index].life) = Some(life.clone());
                    life.process.died.notified().await;
                    *lock(&site.slots[index].life) = None;
                    let restart_ms = site.world.rng().u64(1..=5_000);
                    sleep(Duration::from_millis(restart_ms)).await;
                }
            });
        }
    }

    /// The current lives of one role, or of all roles.
    pub(crate) fn lives(&self, role: Option<Role>) -> Vec<Life> {
        let wanted = self.slots.iter().filter(|slot| role.is_none_or(|role| role == slot.role));
        wanted.filter_map(|slot| lock(&slot.life).clone()).collect()
    }

    /// Starts the status service. It never dies, because it remembers its last responses so that none goes
    /// backwards.
    pub(crate) fn start_status(&self) -> Router {
        let process = Process::new(&self.world, &self.broker, "status".to_owned(), false);
        let (store, counters) = (self.store(&process), self.counters(&process));
        muster_status::router(StatusDeps { store, counters, metrics: StatusMetrics::default(), public_url: None })
    }

    fn start_process(&self, slot: &Slot) -> Life {
        let name = format!("{:?} {}", slot.role, slot.number);
        let process = Process::new(&self.world, &self.broker, name, true);
        let (tasks, shutdown) = (process.tasks.clone(), process.shutdown.clone());
        let (store, counters) = (self.store(&process), self.counters(&process));
        let queue = Arc::new(SimQueue(process.clone()));
        let plan = &self.world.plan;
        let routes = match slot.role {
            Role::Ingest => {
                let raw = Arc::new(SimRawStore { process: process.clone(), shared: self.uploads.clone() });
                let metrics = IngestMetrics::default();
                let deps = IngestDeps { store, queue, raw, dead_letters: None, counters, metrics, tasks, shutdown };
                let config = IngestConfig {
                    cut: plan.cut_rules,
                    job_window: plan.job_window,
                    total_window: plan.total_window,
                    payload_key: plan.payload_key,
                    ..IngestConfig::default()
                };
                muster_ingest::start(&deps, &config);
                Some(muster_ingest::router(deps, config))
            }
            Role::Worker => {
                let metrics = WorkerMetrics::default();
                let deps = WorkerDeps { store, queue, counters, metrics, tasks, shutdown };
                let config = WorkerConfig { concurrency: plan.concurrency, payload_key: plan.payload_key };
                muster_worker::start(&deps, &config);
                None
            }
        };
        Life { process, routes }
    }

    fn store(&self, process: &Arc<Process>) -> Arc<SimStore> {
        let (truth, inner) = (self.truth.clone(), self.database.clone());
        Arc::new(SimStore { process: process.clone(), truth, inner })
    }

    fn counters(&self, process: &Arc<Process>) -> Arc<SimCounters> {
        let (truth, shared) = (self.truth.clone(), self.counters.clone());
        Arc::new(SimCounters { process: process.clone(), truth, shared })
    }
}
