//! What was committed, and the invariants that every commit must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Applied, Lease};
use tokio::time::Instant;

use crate::simulation::world::{World, lock};

/// A batch whose transaction was committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committed {
    pub(crate) first_offset: u64,
    pub(crate) end_offset: u64,
    pub(crate) counts: Counts,
    /// The number of batches of the job that were committed before.
    pub(crate) order: usize,
}

/// What was committed, as observed at the port when each call commits.
pub(crate) struct Truth {
    world: Arc<World>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    applied: BTreeMap<i64, BTreeMap<u32, Committed>>,
    /// Batches that were dropped, because their job was not running and never will be again.
    dropped: BTreeSet<(i64, u32)>,
    /// Jobs that no longer exist.
    gone: BTreeSet<i64>,
    finished: BTreeSet<i64>,
    /// The last fencing token of each job.
    fences: BTreeMap<i64, i64>,
    /// For each tenant, the job whose batch was applied last.
    last_applied: BTreeMap<i64, i64>,
    leader: Option<(String, Instant)>,
}

impl Truth {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), facts: Mutex::default() })
    }

    /// Whether the message of a batch is no longer needed.
    pub(crate) fn may_be_acknowledged(&self, job: i64, batch: u32) -> bool {
        let facts = lock(&self.facts);
        let applied = facts.applied.get(&job).is_some_and(|batches| batches.contains_key(&batch));
        applied || facts.dropped.contains(&(job, batch)) || facts.gone.contains(&job)
    }

    /// Whether a job was finished: its rows were decided together.
    pub(crate) fn is_finished(&self, job: i64) -> bool {
        lock(&self.facts).finished.contains(&job)
    }

    /// The committed batches of a job.
    pub(crate) fn batches(&self, job: i64) -> BTreeMap<u32, Committed> {
        lock(&self.facts).applied.get(&job).cloned().unwrap_or_default()
    }

    /// The number of committed batches of a job, and the sums of their counts.
    pub(crate) fn sums(&self, job: i64) -> (u64, Counts) {
        let batches = self.batches(job);
        let mut counts = Counts::default();
        for batch in batches.values() {
            counts.add(&batch.counts);
        }
        (batches.len() as u64, counts)
    }

    pub(super) fn observe_apply(&self, tenant: i64, job: i64, (batch, committed): (u32, Committed), applied: Applied) {
        let mut facts = lock(&self.facts);
        match applied {
            Applied::Committed(counts) => {
                let batches = facts.applied.entry(job).or_default();
                let committed = Committed { counts, order: batches.len(), ..committed };
                if batches.insert(batch, committed).is_some() {
                    self.world.report_violation(&format!("batch {job}:{batch} is applied twice"));
                }
                let before = facts.last_applied.insert(tenant, job).unwrap_or_default();
                if before > job {
                    self.world.report_violation(&format!("job {job} is applied after the later job {before}"));
                }
            }
            Applied::NotRunning => {
                facts.dropped.insert((job, batch));
            }
            Applied::AlreadyApplied(_) => {}
        }
    }

    /// The job no longer exists.
    pub(super) fn observe_deletion(&self, job: JobId) {
        lock(&self.facts).gone.insert(job.0);
    }

    /// The job does not run and never will again.
    pub(super) fn observe_drop(&self, job: JobId, batch: BatchNo) {
        lock(&self.facts).dropped.insert((job.0, batch.0));
    }

    pub(super) fn observe_lease(&self, lease: Lease) {
        let before = lock(&self.facts).fences.insert(lease.job.0, lease.fence).unwrap_or_default();
        if lease.fence <= before {
            self.world.report_violation(&format!("the fencing token of job {} does not increase", lease.job));
        }
    }

    /// Checks that an accepted write used the last fencing token.
    pub(super) fn observe_fence(&self, lease: Lease, what: &str) {
        if lock(&self.facts).fences.get(&lease.job.0) != Some(&lease.fence) {
            self.world.report_violation(&format!("{what} of job {} is accepted under a stale lease", lease.job));
        }
    }

    pub(super) fn observe_finish(&self, job: JobId) {
        if !lock(&self.facts).finished.insert(job.0) {
            self.world.report_violation(&format!("job {job} is finished twice"));
        }
    }

    /// The leader lease of the reconcilers. Postgres has a row for it; SQLite needs none.
    pub(super) fn try_lead(&self, holder: &str, duration: Duration) -> bool {
        let mut facts = lock(&self.facts);
        let now = Instant::now();
        let free = facts.leader.as_ref().is_none_or(|(leader, until)| leader == holder || *until < now);
        if free {
            facts.leader = Some((holder.to_owned(), now + duration));
        }
        free
    }
}
