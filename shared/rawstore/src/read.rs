//! Reads a stored upload in ranges.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use muster_ports::{RawReader, RawStoreError};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::raw_store_error;

/// Opens a stored upload, which must have the given size, if one is given.
pub(crate) async fn open(
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: Option<u64>,
    chunk_bytes: u64,
) -> Result<RawReader, RawStoreError> {
    let meta = store.head(&path).await.map_err(raw_store_error)?;
    if bytes.is_some_and(|bytes| meta.size != bytes) {
        return Err(RawStoreError::Changed);
    }
    let source = Arc::new(Source { store, meta, chunk_bytes });
    let chunks = stream::try_unfold(0, move |offset| {
        let source = source.clone();
        async move {
            if offset >= source.meta.size {
                return Ok(None);
            }
            let chunk = source.read_chunk(offset).await?;
            let next = offset + chunk.len() as u64;
            Ok(Some((chunk, next)))
        }
    });
    Ok(chunks.into_stream().boxed())
}

/// Reads a part of a stored upload, which must have the given size.
pub(crate) async fn range(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: u64,
    range: Range<u64>,
) -> Result<Bytes, RawStoreError> {
    let length = range.end - range.start;
    let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let found = store.get_opts(path, options).await.map_err(raw_store_error)?;
    if found.meta.size != bytes {
        return Err(RawStoreError::Changed);
    }
    let part = found.bytes().await.map_err(raw_store_error)?;
    if part.len() as u64 == length { Ok(part) } else { Err(RawStoreError::Changed) }
}

struct Source {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    chunk_bytes: u64,
}

impl Source {
    async fn read_chunk(&self, offset: u64) -> Result<Bytes, RawStoreError> {
        let end = (offset + self.chunk_bytes).min(self.meta.size);
        let options = GetOptions {
            if_match: self.meta.e_tag.clone(),
            range: Some(GetRange::Bounded(offset..end)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.meta.location, options).await.map_err(raw_store_error)?;
        let chunk = found.bytes().await.map_err(raw_store_error)?;
        // A short chunk means that the object has changed. An empty one would be requested again forever.
        if chunk.len() as u64 == end - offset { Ok(chunk) } else { Err(RawStoreError::Changed) }
    }
}
