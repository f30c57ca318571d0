//! Writes an upload in parts, two of them in flight.

use async_trait::async_trait;
use bytes::Bytes;
use muster_ports::{RawStoreError, RawUpload};
use object_store::{MultipartUpload, WriteMultipart};

use crate::error::raw_store_error;

const PARTS_IN_FLIGHT: usize = 2;

pub(crate) struct Upload {
    parts: WriteMultipart,
}

impl Upload {
    pub(crate) fn new(upload: Box<dyn MultipartUpload>, part_bytes: usize) -> Self {
        Self { parts: WriteMultipart::new_with_chunk_size(upload, part_bytes) }
    }
}

#[async_trait]
impl RawUpload for Upload {
    async fn write(&mut self, piece: Bytes) -> Result<(), RawStoreError> {
        self.parts.wait_for_capacity(PARTS_IN_FLIGHT).await.map_err(raw_store_error)?;
        // A part is a buffer of its own: keeping slices would keep the network's buffers alive.
        self.parts.write(&piece);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), RawStoreError> {
        self.parts.finish().await.map(drop).map_err(raw_store_error)
    }

    async fn abort(self: Box<Self>) {
        if let Err(error) = self.parts.abort().await {
            tracing::warn!(%error, "an upload that was given up could not be removed");
        }
    }
}
