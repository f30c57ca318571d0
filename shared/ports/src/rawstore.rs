//! Where uploads lie until their job is deleted.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::error::RawStoreError;

/// The content of a stored upload, in pieces.
pub type RawReader = BoxStream<'static, Result<Bytes, RawStoreError>>;

/// An upload that lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpload {
    /// Its key.
    pub key: String,
    /// When it was finished, in milliseconds since 1970 UTC, by the clock of the store.
    pub stored_ms: i64,
}

/// The store of uploads.
#[async_trait]
pub trait RawStore: Send + Sync {
    /// Begins an upload. Nothing can be read under the key before it is finished.
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError>;
    /// Reads an upload, which must have this size in bytes.
    async fn read(&self, key: &str, bytes: u64) -> Result<RawReader, RawStoreError>;
    /// Every upload in the store, in no order; of a local folder also what was never finished.
    fn list(&self) -> BoxStream<'static, Result<StoredUpload, RawStoreError>>;
    /// Removes an upload. That there is none is no error.
    async fn delete(&self, key: &str) -> Result<(), RawStoreError>;
}

/// An upload under way. One that is dropped leaves nothing behind that can be read.
#[async_trait]
pub trait RawUpload: Send {
    /// Takes more content. Waits while too much is in flight.
    async fn write(&mut self, piece: Bytes) -> Result<(), RawStoreError>;
    /// Makes the upload durable and readable.
    async fn finish(self: Box<Self>) -> Result<(), RawStoreError>;
    /// Gives the upload up and removes what was stored of it.
    async fn abort(self: Box<Self>);
}
