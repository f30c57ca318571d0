//! The raw store, on `object_store`: a local folder, S3, Google Cloud Storage or Azure.
//!
//! Writes to a local folder fsync the file and its directory entries, which `object_store` does not do by default.
//! Uploads are read in ranges, each request pinned to the object's ETag. A single long read would exceed the limit of
//! 30 s per request of the HTTP clients of `object_store`, and the ETag detects an object that changes meanwhile.

mod error;
mod free_space;
mod packed;
mod read;
mod staged;
mod upload;

use std::fs::DirBuilder;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use muster_ports::{RawReader, RawStore, RawStoreError, RawUpload, StoredUpload};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use error::raw_store_error;
use free_space::Disk;

/// Why a raw store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The location is not a URL.
    #[error("the raw store must be a URL such as file:///var/lib/muster/raw or s3://bucket/prefix")]
    InvalidUrl(#[from] url::ParseError),
    /// The folder cannot be created or used.
    #[error("the raw store folder {0} cannot be created or used")]
    Folder(String, #[source] std::io::Error),
    /// The URL names a cloud, and this build cannot use one.
    #[error(
        "this build of Muster cannot use {0}:// as raw store: build it with --features cloud, or use file:///path/to/folder"
    )]
    NoCloud(String),
    /// The URL or the options are invalid.
    #[error("the raw store cannot be opened")]
    Store(#[from] object_store::Error),
}

/// A raw store on an object store.
pub struct ObjectRawStore {
    store: Arc<dyn ObjectStore>,
    chunk_bytes: usize,
    /// The folder of a local store; `None` for a cloud.
    folder: Option<PathBuf>,
}

/// The size of the chunks that are written to and read from a local folder.
const LOCAL_CHUNK_BYTES: usize = 256 * 1024;
/// The size of the chunks that are written to and read from a cloud. S3 requires parts of at least 5 MiB.
const CLOUD_CHUNK_BYTES: usize = 8 * 1024 * 1024;

impl ObjectRawStore {
    /// Opens the store at a URL. `options` are settings of the cloud's client by their lower-case names, for example
    /// `aws_access_key_id`.
    pub fn open(location: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self, OpenError> {
        let url = Url::parse(location)?;
        if let Ok(folder) = url.to_file_path() {
            return Self::open_folder(&folder);
        }
        if !cfg!(feature = "cloud") {
            return Err(OpenError::NoCloud(url.scheme().to_owned()));
        }
        let (store, prefix) = object_store::parse_url_opts(&url, options)?;
        Ok(Self { store: Arc::new(PrefixStore::new(store, prefix)), chunk_bytes: CLOUD_CHUNK_BYTES, folder: None })
    }

    /// Opens a store in a local folder. Creates the folder, accessible to this user only, if it does not exist.
    pub fn open_folder(folder: &std::path::Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| OpenError::Folder(folder.display().to_string(), error))?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), chunk_bytes: LOCAL_CHUNK_BYTES, folder: Some(folder.to_owned()) })
    }
}

#[async_trait]
impl RawStore for ObjectRawStore {
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError> {
        let path = Path::from(key);
        let disk = self.folder.clone().map(Disk);
        if let Some(disk) = &disk {
            disk.check(0)?;
        }
        let upload = self.store.put_multipart(&path).await.map_err(raw_store_error)?;
        let completion_probe = self.folder.is_none().then(|| (self.store.clone(), path));
        let upload = Box::new(upload::Upload::new(upload, self.chunk_bytes, completion_probe, disk));
        Ok(if packed::is_packed(key) { Box::new(packed::PackedUpload::new(upload)) } else { upload })
    }

    async fn read(&self, key: &str, bytes: u64) -> Result<RawReader, RawStoreError> {
        let (store, path, chunk_bytes) = (self.store.clone(), Path::from(key), self.chunk_bytes as u64);
        if packed::is_packed(key) {
            return Ok(packed::unpack(read::open(store, path, None, chunk_bytes).await?, bytes));
        }
        read::open(store, path, Some(bytes), chunk_bytes).await
    }

    async fn read_range(&self, key: &str, bytes: u64, range: Range<u64>) -> Result<Bytes, RawStoreError> {
        if packed::is_packed(key) {
            return Err(RawStoreError::Changed);
        }
        read::range(&*self.store, &Path::from(key), bytes, range).await
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
