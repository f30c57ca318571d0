//! The counters and the raw store as one process sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use muster_domain::{BatchNo, Counts, JobId};
use muster_memory::MemoryCounters;
use muster_ports::{
    Counters, CountersError, LedgerView, RawReader, RawStore, RawStoreError, RawUpload, Recorded, StoredUpload, View,
};

use super::process::Process;
use super::store::Truth;
use super::world::{BEGIN_MS, Event, Port, lock};

/// Counters that all processes share, and that may vanish.
#[derive(Default)]
pub(crate) struct SharedCounters(Mutex<Arc<MemoryCounters>>);

impl SharedCounters {
    /// FLUSHALL.
    pub(crate) fn lose_all(&self) {
        *lock(&self.0) = Arc::default();
    }

    pub(crate) fn now(&self) -> Arc<MemoryCounters> {
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
    async fn before(&self, event: Event) -> Result<Arc<MemoryCounters>, CountersError> {
        self.process.step().await;
        if self.process.world.fails_before(Port::Counters) {
            self.process.note(event, "failed");
            return Err(CountersError("simulated".into()));
        }
        self.process.note(event, "");
        Ok(self.shared.now())
    }

    async fn after<T>(&self, event: Event, answer: Result<T, CountersError>) -> Result<T, CountersError> {
        self.check(JobId(event.job)).await;
        self.process.step().await;
        if self.process.world.fails_after(Port::Counters) {
            self.process.note(event, "answer lost");
            return Err(CountersError("simulated".into()));
        }
        answer
    }

    /// The view never shows what is not in the ledger, and never a batch twice.
    async fn check(&self, job: JobId) {
        let Ok(Some(view)) = self.shared.now().read(job).await else { return };
        let (batches, counts) = self.truth.sums(job.0);
        let shown = view.counts;
        let within = view.batches <= batches
            && shown.created <= counts.created
            && shown.updated <= counts.updated
            && shown.unchanged <= counts.unchanged
            && shown.failed <= counts.failed;
        if !within || (view.batches == batches && shown != counts) {
            let world = &self.process.world;
            world.violate(&format!("the counters of job {job} show {view:?}, the ledger has {batches}: {counts:?}"));
        }
    }
}

#[async_trait]
impl Counters for SimCounters {
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError> {
        let event = Event::batch("record", job.0, batch.0);
        let answer = self.before(event).await?.record(job, batch, counts, bytes).await;
        self.after(event, answer).await
    }

    async fn rebuild(&self, job: JobId, ledger: &LedgerView) -> Result<(), CountersError> {
        let event = Event::job("rebuild", job.0);
        let answer = self.before(event).await?.rebuild(job, ledger).await;
        self.after(event, answer).await
    }

    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError> {
        let event = Event::job("read counters", job.0);
        let answer = self.before(event).await?.read(job).await;
        self.after(event, answer).await
    }

    async fn forget(&self, job: JobId) -> Result<(), CountersError> {
        let event = Event::job("forget", job.0);
        let answer = self.before(event).await?.forget(job).await;
        self.after(event, answer).await
    }
}

/// Uploads that all processes share.
#[derive(Default)]
pub(crate) struct SharedUploads(Mutex<BTreeMap<String, (Bytes, i64)>>);

/// The raw store as one process sees it.
pub(crate) struct SimRawStore {
    pub(crate) process: Arc<Process>,
    pub(crate) shared: Arc<SharedUploads>,
}

/// Fails, or dies, on the way to the raw store.
async fn way(process: &Process, event: Event) -> Result<(), RawStoreError> {
    process.step().await;
    if process.world.fails_before(Port::Raw) {
        process.note(event, "failed");
        return Err(RawStoreError::Unavailable("simulated".into()));
    }
    process.note(event, "");
    Ok(())
}

#[async_trait]
impl RawStore for SimRawStore {
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError> {
        way(&self.process, Event::of("begin upload")).await?;
        let (process, shared) = (self.process.clone(), self.shared.clone());
        Ok(Box::new(SimUpload { process, shared, key: key.to_owned(), pieces: Vec::new() }))
    }

    async fn read(&self, key: &str, bytes: u64) -> Result<RawReader, RawStoreError> {
        way(&self.process, Event::of("read upload")).await?;
        let content =
            lock(&self.shared.0).get(key).map(|(content, _)| content.clone()).ok_or(RawStoreError::Missing)?;
        if content.len() as u64 != bytes {
            return Err(RawStoreError::Changed);
        }
        let process = self.process.clone();
        let pieces = stream::unfold((process, content), |(process, mut rest)| async move {
            if rest.is_empty() {
                return None;
            }
            if let Err(error) = way(&process, Event::of("read piece")).await {
                return Some((Err(error), (process, Bytes::new())));
            }
            let piece = rest.split_to(rest.len().min(700));
            Some((Ok(piece), (process, rest)))
        });
        Ok(pieces.boxed())
    }

    fn list(&self) -> BoxStream<'static, Result<StoredUpload, RawStoreError>> {
        let uploads = lock(&self.shared.0);
        let listed = uploads.iter().map(|(key, (_, ms))| Ok(StoredUpload { key: key.clone(), stored_ms: *ms }));
        stream::iter(listed.collect::<Vec<_>>()).boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), RawStoreError> {
        way(&self.process, Event::of("delete upload")).await?;
        lock(&self.shared.0).remove(key);
        Ok(())
    }
}

struct SimUpload {
    process: Arc<Process>,
    shared: Arc<SharedUploads>,
    key: String,
    pieces: Vec<u8>,
}

#[async_trait]
impl RawUpload for SimUpload {
    async fn write(&mut self, piece: Bytes) -> Result<(), RawStoreError> {
        self.pieces.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), RawStoreError> {
        way(&self.process, Event::of("finish upload")).await?;
        let now = BEGIN_MS + self.process.world.elapsed_ms().cast_signed();
        lock(&self.shared.0).insert(self.key, (self.pieces.into(), now));
        Ok(())
    }

    async fn abort(self: Box<Self>) {}
}
