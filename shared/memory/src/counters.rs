//! Counters in a hash map.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, CountersError, LedgerSnapshot, Recorded, View};

/// The maximum number of views that are kept.
const MAX_VIEWS: usize = 256;

#[derive(Default)]
struct JobCounters {
    batches: HashSet<BatchNo>,
    counts: Counts,
    bytes: u64,
}

/// In-process counters.
#[derive(Default)]
pub struct MemoryCounters {
    jobs: Mutex<HashMap<JobId, JobCounters>>,
}

impl MemoryCounters {
    /// Creates counters without any views.
    pub fn new() -> Self {
        Self::default()
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, JobCounters>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Counters for MemoryCounters {
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError> {
        let mut jobs = self.jobs();
        let Some(view) = jobs.get_mut(&job) else { return Ok(Recorded::NoView) };
        if !view.batches.insert(batch) {
            return Ok(Recorded::AlreadyCounted);
        }
        view.counts.add(counts);
        view.bytes += bytes;
        Ok(Recorded::Counted)
    }

    async fn rebuild(&self, job: JobId, ledger: &LedgerSnapshot) -> Result<(), CountersError> {
        let mut jobs = self.jobs();
        if jobs.len() >= MAX_VIEWS && !jobs.contains_key(&job) {
            // Views may disappear at any moment; the oldest job is most likely final.
            let oldest = jobs.keys().copied().min();
            oldest.and_then(|oldest| jobs.remove(&oldest));
        }
        jobs.entry(job).or_insert_with(|| JobCounters {
            batches: ledger.batches.iter().copied().collect(),
            counts: ledger.counts,
            bytes: ledger.bytes,
        });
        Ok(())
    }

    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError> {
        let view = |job: &JobCounters| View { counts: job.counts, bytes: job.bytes, batches: job.batches.len() as u64 };
        Ok(self.jobs().get(&job).map(view))
    }

    async fn retire(&self, job: JobId) -> Result<(), CountersError> {
        self.forget(job).await
    }

    async fn forget(&self, job: JobId) -> Result<(), CountersError> {
        self.jobs().remove(&job);
        Ok(())
    }
}
