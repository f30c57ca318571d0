//! The raw store: keeps uploads until their job is deleted or retention removes them.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::error::RawStoreError;

/// A store packs uploads whose key ends like this, to save space. What is read is what was written.
pub const PACKED_KEY_SUFFIX: &str = ".zst";

/// The content of a stored upload, in chunks.
pub type RawReader = BoxStream<'static, Result<Bytes, RawStoreError>>;

/// An upload in the raw store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpload {
    /// The key of the upload.
    pub key: String,
    /// When the upload was last written, in milliseconds since 1970 UTC, by the clock of the store.
    pub stored_ms: i64,
}

/// Stores uploads.
#[async_trait]
pub trait RawStore: Send + Sync {
    /// Starts an upload. Nothing can be read under the key until it is finished.
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError>;
    /// Reads an upload, which must have the given size. A size that differs is found at the start, that of a packed one at
    /// its end.
    async fn read(&self, key: &str, bytes: u64) -> Result<RawReader, RawStoreError>;
    /// Reads a part of an upload, which must have the given size. The range must lie within it. A packed upload has no
    /// ranges, and counts as changed.
    async fn read_range(&self, key: &str, bytes: u64, range: Range<u64>) -> Result<Bytes, RawStoreError>;
    /// Lists every upload in the store, in no particular order. A local folder also lists unfinished uploads.
    fn list(&self) -> BoxStream<'static, Result<StoredUpload, RawStoreError>>;
    /// Removes an upload. Succeeds if it does not exist.
    async fn delete(&self, key: &str) -> Result<(), RawStoreError>;
}

/// An upload in progress. If it is dropped, nothing of it can be read.
#[async_trait]
pub trait RawUpload: Send {
    /// Writes the next chunk. Waits while too much is in flight.
    async fn write(&mut self, chunk: Bytes) -> Result<(), RawStoreError>;
    /// Makes the upload durable and readable.
    async fn finish(self: Box<Self>) -> Result<(), RawStoreError>;
    /// Aborts the upload and removes what was stored of it.
    async fn abort(self: Box<Self>);
}
