//! The counters as one process sees them, with simulated faults, and their invariants.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId};
use muster_memory::MemoryCounters;
use muster_ports::{Counters, CountersError, LedgerSnapshot, Recorded, View};

use super::truth::Truth;
use crate::simulation::process::Process;
use crate::simulation::world::{Event, Port, lock};

/// Counters that all processes share, and that may be lost.
#[derive(Default)]
pub(crate) struct SharedCounters(Mutex<Arc<MemoryCounters>>);

impl SharedCounters {
    /// Loses all counters, as `FLUSHALL` does.
    pub(crate) fn lose_all(&self) {
        *lock(&self.0) = Arc::default();
    }

    pub(crate) fn current(&self) -> Arc<MemoryCounters> {
        lock(&self.0).clone()
    }
}

/// The counters as one process sees them.
pub(crate) struct SimCounters {
    pub(crate) process: Arc<Process>,
    pub(crate) truth: Arc<Truth>,
    pub(crate) shared: Arc<SharedCounters>,
}

impl SimCounters {
    /// Lets time pass before a call, which may fail without an effect.
    async fn before(&self, event: Event) -> Result<Arc<MemoryCounters>, CountersError> {
        self.process.step().await;
        if self.process.world.fails_before_effect(Port::Counters) {
            self.process.record(event, "failed");
            return Err(CountersError("simulated".into()));
        }
        self.process.record(event, "");
        Ok(self.shared.current())
    }

    /// Checks the counters after a call, whose reply may be lost.
    async fn after<T>(&self, event: Event, result: Result<T, CountersError>) -> Result<T, CountersError> {
        self.check(JobId(event.job)).await;
        self.process.step().await;
        if self.process.world.fails_after_effect(Port::Counters) {
            self.process.record(event, "reply lost");
            return Err(CountersError("simulated".into()));
        }
        result
    }

    /// Checks that the counters contain no batch that is not in the ledger, and no batch twice.
    async fn check(&self, job: JobId) {
        let Ok(Some(view)) = self.shared.current().read(job).await else { return };
        let (batches, counts) = self.truth.sums(job.0);
        let shown = view.counts;
        // The extra batch at the end of a job, in which waiting rows are decided: no worker applies it.
        if view.batches == batches + 1 && self.truth.is_finished(job.0) {
            return;
        }
        let within = view.batches <= batches
            && shown.created <= counts.created
            && shown.updated <= counts.updated
            && shown.unchanged <= counts.unchanged
            && shown.failed <= counts.failed;
        if !within || (view.batches == batches && shown != counts) {
            let world = &self.process.world;
            world.report_violation(&format!(
                "the counters of job {job} show {view:?}, the ledger has {batches}: {counts:?}"
            ));
        }
    }
}

#[async_trait]
impl Counters for SimCounters {
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError> {
        let event = Event::for_batch("record", job.0, batch.0);
        let result = self.before(event).await?.record(job, batch, counts, bytes).await;
        self.after(event, result).await
    }

    async fn rebuild(&self, job: JobId, ledger: &LedgerSnapshot) -> Result<(), CountersError> {
        let event = Event::for_job("rebuild", job.0);
        let result = self.before(event).await?.rebuild(job, ledger).await;
        self.after(event, result).await
    }

    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError> {
        let event = Event::for_job("read counters", job.0);
        let result = self.before(event).await?.read(job).await;
        self.after(event, result).await
    }

    async fn retire(&self, _job: JobId) -> Result<(), CountersError> {
        // The simulated counters keep views, so that stale ones are read too.
        Ok(())
    }

    async fn forget(&self, job: JobId) -> Result<(), CountersError> {
        let event = Event::for_job("forget", job.0);
        let result = self.before(event).await?.forget(job).await;
        self.after(event, result).await
    }
}
