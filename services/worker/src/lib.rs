//! The worker service: applies batches of rows to users.
//!
//! A worker takes batches from three lanes: `concurrency` slots for big jobs, four slots for small jobs and one slot for
//! batches with many passwords. It checks the rows of a batch on the blocking pool, applies them in one transaction,
//! counts the batch, and acknowledges it last.
//! Any number of workers may run, in any order, and may die at any point: a redelivered batch finds its ledger row.
//!
//! The path of a batch: `lane.rs` receives it, `delivery.rs` settles it, `attempt.rs` does the work in between.

mod attempt;
mod counter_updates;
mod delivery;
mod lane;
mod metrics;
mod slot;
mod span;
mod store;

use std::sync::Arc;

use muster_messages::PayloadCodec;
use muster_ports::{Counters, Queue, QueueName};
use muster_runtime::{Shutdown, Tasks};
use tokio::sync::RwLock;

use attempt::Processor;
use attempt::passwords::Passwords;
use attempt::rules::RulesCache;
use attempt::running::RunningBatches;
use counter_updates::CounterUpdates;
use lane::LaneConfig;
pub use metrics::WorkerMetrics;
pub use store::WorkerStore;

/// The adapters and handles that the service works with.
#[derive(Clone)]
#[expect(missing_docs, reason = "the field names say it")]
pub struct WorkerDeps {
    pub store: Arc<dyn WorkerStore>,
    pub queue: Arc<dyn Queue>,
    pub counters: Arc<dyn Counters>,
    pub metrics: WorkerMetrics,
    pub tasks: Tasks,
    pub shutdown: Shutdown,
}

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Maximum number of batches of big jobs processed at the same time.
    pub concurrency: usize,
    /// The key that encrypts the bodies of batch messages. `None` if they are not encrypted.
    pub payload_key: Option<[u8; 32]>,
}

/// Maximum number of batches of small jobs processed at the same time, in addition to those of big jobs.
const SMALL_LANE_SLOTS: usize = 4;
/// Maximum number of batches with many passwords processed at the same time, in addition to the others.
const SLOW_LANE_SLOTS: usize = 1;
/// Maximum number of further batches of the small and the slow lane that hash passwords.
const MAX_HASHING: usize = 2;

/// Starts consuming all lanes.
pub fn start(deps: &WorkerDeps, config: &WorkerConfig) {
    let codec = PayloadCodec::new(config.payload_key.as_ref());
    let processor = Arc::new(Processor {
        store: deps.store.clone(),
        queue: deps.queue.clone(),
        rules: RulesCache::new(deps.store.clone()),
        counter_updates: CounterUpdates::start(deps),
        passwords: Passwords::new(deps.store.clone()),
        codec: Arc::new(codec),
        metrics: deps.metrics.clone(),
        tasks: deps.tasks.clone(),
        shutdown: deps.shutdown.clone(),
        running: RunningBatches::default(),
        turns: RwLock::default(),
    });
    let lanes = [
        // A worker that prefetches more batches of a big job than it can apply keeps them from other workers.
        LaneConfig { queue: QueueName::Batch, slots: config.concurrency, hashing: 0 },
        LaneConfig { queue: QueueName::BatchSmall, slots: SMALL_LANE_SLOTS, hashing: MAX_HASHING },
        LaneConfig { queue: QueueName::BatchSlow, slots: SLOW_LANE_SLOTS, hashing: MAX_HASHING },
    ];
    deps.metrics.slots.set(lanes.iter().map(|lane| lane.slots as u64).sum());
    for lane in lanes {
        lane::start(deps, &processor, lane);
    }
}
