//! Writes an upload in parts, two of them in flight.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use muster_ports::{RawStoreError, RawUpload};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::error::raw_store_error;

const PARTS_IN_FLIGHT: usize = 2;

pub(crate) struct Upload {
    parts: WriteMultipart,
    bytes: u64,
    /// Where to look whether the upload is there, if its last answer is lost (clouds only).
    lost_and_found: Option<(Arc<dyn ObjectStore>, Path)>,
}

impl Upload {
    pub(crate) fn new(
        upload: Box<dyn MultipartUpload>,
        part_bytes: usize,
        lost_and_found: Option<(Arc<dyn ObjectStore>, Path)>,
    ) -> Self {
        Self { parts: WriteMultipart::new_with_chunk_size(upload, part_bytes), bytes: 0, lost_and_found }
    }
}

#[async_trait]
impl RawUpload for Upload {
    async fn write(&mut self, piece: Bytes) -> Result<(), RawStoreError> {
        self.parts.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(raw_store_error)?;
        self.bytes += piece.len() as u64;
        // A part is a buffer of its own: keeping slices would keep the network's buffers alive.
        self.parts.write(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), RawStoreError> {
        let Self { parts, bytes, lost_and_found } = *self;
        let Err(error) = parts.finish().await else { return Ok(()) };
        // A cloud that is told twice does not know the upload any more. Its key is ours alone, so an
        // object of the right size is this upload. (A folder that failed to sync must not be asked.)
        if let Some((store, path)) = lost_and_found
            && store.head(&path).await.is_ok_and(|found| found.size == bytes)
        {
            return Ok(());
        }
        Err(raw_store_error(error))
    }

    async fn abort(self: Box<Self>) {
        if let Err(error) = self.parts.abort().await {
            tracing::warn!(%error, "an upload that was given up could not be removed");
        }
    }
}
