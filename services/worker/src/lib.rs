//! From a row batch to users.
//!
//! A worker takes batches from two lanes: `concurrency` slots for big jobs and one slot that only
//! small jobs use. Each batch is checked on the blocking pool, applied in one transaction, counted,
//! and acknowledged last. Any number of workers may run, in any order, and die at any line: a batch
//! that comes again finds its ledger row.

mod care;
mod check;
mod counting;
mod lane;
mod metrics;
mod passwords;
mod process;
mod rules;
mod span;

use std::sync::Arc;

use muster_messages::PayloadCodec;
use muster_ports::{Counters, Queue, QueueName, Store};
use muster_runtime::{Shutdown, Tasks};
use tokio::sync::RwLock;

use counting::Counting;
pub use metrics::WorkerMetrics;
use passwords::Passwords;
use process::Processor;
use rules::RulesCache;

/// What the service works with.
#[derive(Clone)]
pub struct WorkerDeps {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Where batches come from.
    pub queue: Arc<dyn Queue>,
    /// The counters.
    pub counters: Arc<dyn Counters>,
    /// What is counted for operators.
    pub metrics: WorkerMetrics,
    /// The owner of the service's tasks.
    pub tasks: Tasks,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Batches of big jobs at a time.
    pub concurrency: usize,
    /// The key by which batch bodies are encrypted.
    pub payload_key: Option<[u8; 32]>,
}

/// Batches of small jobs at a time, beside those of big ones.
const SMALL_SLOTS: usize = 1;

/// Starts taking batches.
pub fn start(deps: &WorkerDeps, config: &WorkerConfig) {
    let codec = PayloadCodec::new(config.payload_key.as_ref());
    let processor = Arc::new(Processor {
        store: deps.store.clone(),
        queue: deps.queue.clone(),
        rules: RulesCache::new(deps.store.clone()),
        counting: Counting::start(deps),
        passwords: Passwords::new(deps.store.clone(), deps.tasks.clone()),
        codec: Arc::new(codec),
        metrics: deps.metrics.clone(),
        tasks: deps.tasks.clone(),
        shutdown: deps.shutdown.clone(),
        together: RwLock::default(),
    });
    deps.metrics.slots.set((config.concurrency + SMALL_SLOTS) as u64);
    lane::start(deps, &processor, QueueName::Batch, config.concurrency);
    lane::start(deps, &processor, QueueName::BatchSmall, SMALL_SLOTS);
}
