//! Uploads on `object_store`: a local folder, S3, Google Cloud Storage or Azure.
//!
//! The local folder is written with fsync on the file and on its directory entries, which
//! `object_store` leaves off by default. Reading goes in ranges pinned to the object's ETag: the
//! HTTP clients of `object_store` limit a whole request to 30 s, which one long read would hit, and
//! a file that changes meanwhile is noticed.

mod error;
mod read;
mod staged;
mod upload;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use muster_ports::{RawReader, RawStore, RawStoreError, RawUpload, StoredUpload};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use error::raw_store_error;

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not an address.
    #[error("the raw store must be an address such as file:///var/lib/muster/raw or s3://bucket/prefix")]
    Address(#[from] url::ParseError),
    /// The folder cannot be made or written.
    #[error("the folder {0} of the raw store cannot be made or used")]
    Folder(String, #[source] std::io::Error),
    /// The store refuses its settings.
    #[error("the raw store cannot be used")]
    Store(#[from] object_store::Error),
}

/// Uploads on an object store.
pub struct ObjectRawStore {
    store: Arc<dyn ObjectStore>,
    piece_bytes: usize,
    /// The local folder, if it is no cloud.
    folder: Option<PathBuf>,
}

/// Pieces written to and read from a local folder.
const LOCAL_PIECE: usize = 256 * 1024;
/// Pieces written to and read from a cloud: S3 wants parts of at least 5 MiB.
const CLOUD_PIECE: usize = 8 * 1024 * 1024;

impl ObjectRawStore {
    /// Opens a store by its address. `options` are settings of the cloud's client, by their
    /// lower-case names, for example `aws_access_key_id`.
    pub fn open(address: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self, OpenError> {
        let url = Url::parse(address)?;
        if let Ok(folder) = url.to_file_path() {
            return Self::open_folder(&folder);
        }
        let (store, prefix) = object_store::parse_url_opts(&url, options)?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), piece_bytes: CLOUD_PIECE, folder: None })
    }

    /// Opens a store in a local folder, which is made, for this user alone, if it is not there.
    pub fn open_folder(folder: &std::path::Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| OpenError::Folder(folder.display().to_string(), error))?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), piece_bytes: LOCAL_PIECE, folder: Some(folder.to_owned()) })
    }
}

#[async_trait]
impl RawStore for ObjectRawStore {
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError> {
        let path = Path::from(key);
        let upload = self.store.put_multipart(&path).await.map_err(raw_store_error)?;
        let lost_and_found = self.folder.is_none().then(|| (self.store.clone(), path));
        Ok(Box::new(upload::Upload::new(upload, self.piece_bytes, lost_and_found)))
    }

    async fn read(&self, key: &str, bytes: u64) -> Result<RawReader, RawStoreError> {
        read::open(self.store.clone(), Path::from(key), bytes, self.piece_bytes as u64).await
    }

    fn list(&self) -> BoxStream<'static, Result<StoredUpload, RawStoreError>> {
        let uploads = self.store.list(None).map(|found| {
            let meta = found.map_err(raw_store_error)?;
            Ok(StoredUpload { key: meta.location.to_string(), stored_ms: meta.last_modified.timestamp_millis() })
        });
        let Some(folder) = self.folder.clone() else { return uploads.boxed() };
        let unfinished = stream::once(staged::list(folder));
        let unfinished = unfinished.map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten();
        uploads.chain(unfinished).boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), RawStoreError> {
        if let Some(folder) = self.folder.as_ref().filter(|_| staged::is_staged(key)) {
            return staged::delete(folder, key).await;
        }
        match self.store.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(raw_store_error(error)),
        }
    }
}
