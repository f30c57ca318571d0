//! Reads an upload in ranges.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use muster_ports::{RawReader, RawStoreError};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::raw_store_error;

/// Opens an object that must have the given size.
pub(crate) async fn open(
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    piece_bytes: u64,
) -> Result<RawReader, RawStoreError> {
    let meta = store.head(&path).await.map_err(raw_store_error)?;
    if meta.size != bytes {
        return Err(RawStoreError::Changed);
    }
    let source = Arc::new(Source { store, meta, piece_bytes });
    let pieces = stream::try_unfold(0, move |offset| {
        let source = source.clone();
        async move {
            if offset >= source.meta.size {
                return Ok(None);
            }
            let piece = source.piece(offset).await?;
            let next = offset + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    });
    Ok(pieces.into_stream().boxed())
}

struct Source {
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    piece_bytes: u64,
}

impl Source {
    async fn piece(&self, offset: u64) -> Result<Bytes, RawStoreError> {
        let end = (offset + self.piece_bytes).min(self.meta.size);
        let options = GetOptions {
            if_match: self.meta.e_tag.clone(),
            range: Some(GetRange::Bounded(offset..end)),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&self.meta.location, options).await.map_err(raw_store_error)?;
        let piece = found.bytes().await.map_err(raw_store_error)?;
        // A shorter piece would be read again for ever.
        if piece.len() as u64 == end - offset { Ok(piece) } else { Err(RawStoreError::Changed) }
    }
}
