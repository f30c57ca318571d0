//! The raw store as one process sees it, with simulated faults.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use muster_ports::{RawReader, RawStore, RawStoreError, RawUpload, StoredUpload};

use crate::simulation::process::Process;
use crate::simulation::world::{Event, Port, START_MS, lock};

/// The size of the pieces in which an upload is read.
const PIECE_BYTES: usize = 700;

/// Uploads that all processes share: for each key, the content and when it was stored.
#[derive(Default)]
pub(crate) struct SharedUploads(Mutex<BTreeMap<String, (Bytes, i64)>>);

/// The raw store as one process sees it.
pub(crate) struct SimRawStore {
    pub(crate) process: Arc<Process>,
    pub(crate) shared: Arc<SharedUploads>,
}

/// Lets time pass before a call, which may fail without an effect.
async fn step(process: &Process, event: Event) -> Result<(), RawStoreError> {
    process.step().await;
    if process.world.fails_before_effect(Port::Raw) {
        process.record(event, "failed");
        return Err(RawStoreError::Unavailable("simulated".into()));
    }
    process.record(event, "");
    Ok(())
}

#[async_trait]
impl RawStore for SimRawStore {
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError> {
        step(&self.process, Event::new("begin upload")).await?;
        let (process, shared) = (self.process.clone(), self.shared.clone());
        Ok(Box::new(SimUpload { process, shared, key: key.to_owned(), pieces: Vec::new() }))
    }

    async fn read(&self, key: &str, bytes: u64) -> Result<RawReader, RawStoreError> {
        step(&self.process, Event::new("read upload")).await?;
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
            if let Err(error) = step(&process, Event::new("read piece")).await {
                return Some((Err(error), (process, Bytes::new())));
            }
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            Some((Ok(piece), (process, rest)))
        });
        Ok(pieces.boxed())
    }

    async fn read_range(&self, key: &str, bytes: u64, range: Range<u64>) -> Result<Bytes, RawStoreError> {
        step(&self.process, Event::new("read range")).await?;
        let found = lock(&self.shared.0).get(key).map(|(content, _)| content.clone()).ok_or(RawStoreError::Missing)?;
        if found.len() as u64 != bytes {
            return Err(RawStoreError::Changed);
        }
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        Ok(found.slice(range))
    }

    fn list(&self) -> BoxStream<'static, Result<StoredUpload, RawStoreError>> {
        let uploads = lock(&self.shared.0);
        let listed = uploads.iter().map(|(key, (_, ms))| Ok(StoredUpload { key: key.clone(), stored_ms: *ms }));
        stream::iter(listed.collect::<Vec<_>>()).boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), RawStoreError> {
        step(&self.process, Event::new("delete upload")).await?;
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
        step(&self.process, Event::new("finish upload")).await?;
        let now = START_MS + self.process.world.elapsed_ms().cast_signed();
        lock(&self.shared.0).insert(self.key, (self.pieces.into(), now));
        Ok(())
    }

    async fn abort(self: Box<Self>) {}
}
