//! Writes an upload in parts, up to two at a time.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use muster_ports::{RawStoreError, RawUpload};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::error::raw_store_error;
use crate::free_space::Disk;

const MAX_PARTS_IN_FLIGHT: usize = 2;

pub(crate) struct Upload {
    parts: WriteMultipart,
    bytes: u64,
    /// The object to check for if the response to the last request is lost (clouds only).
    completion_probe: Option<(Arc<dyn ObjectStore>, Path)>,
    /// The disk of a local folder.
    disk: Option<Disk>,
}

impl Upload {
    pub(crate) fn new(
        upload: Box<dyn MultipartUpload>,
        part_bytes: usize,
        completion_probe: Option<(Arc<dyn ObjectStore>, Path)>,
        disk: Option<Disk>,
    ) -> Self {
        Self { parts: WriteMultipart::new_with_chunk_size(upload, part_bytes), bytes: 0, completion_probe, disk }
    }
}

#[async_trait]
impl RawUpload for Upload {
    async fn write(&mut self, chunk: Bytes) -> Result<(), RawStoreError> {
        self.parts.wait_for_capacity(MAX_PARTS_IN_FLIGHT).await.map_err(raw_store_error)?;
        if let Some(disk) = &self.disk {
            disk.check(chunk.len() as u64)?;
        }
        self.bytes += chunk.len() as u64;
        // Copies the chunk: keeping slices of it would keep the network buffers alive.
        self.parts.write(&chunk);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), RawStoreError> {
        let Self { parts, bytes, completion_probe, .. } = *self;
        let Err(error) = parts.finish().await else { return Ok(()) };
        // If the request to complete the upload was retried after a lost response, the cloud no longer knows the
        // upload. Only this upload writes to the key, so an object of the right size is the complete upload. A local
        // folder is not probed: a file that failed to sync may be visible and yet not be durable.
        if let Some((store, path)) = completion_probe
            && store.head(&path).await.is_ok_and(|found| found.size == bytes)
        {
            return Ok(());
        }
        Err(raw_store_error(error))
    }

    async fn abort(self: Box<Self>) {
        if let Err(error) = self.parts.abort().await {
            tracing::warn!(%error, "could not remove an aborted upload");
        }
    }
}
