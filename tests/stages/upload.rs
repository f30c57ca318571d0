//! From a request body to the disk: the upload is hashed, inspected, written and synced.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use muster_rawstore::ObjectRawStore;

use crate::sample;

#[divan::bench]
fn yardstick_write_and_sync(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    bencher.counter(BytesCount::new(sample::file().len())).bench(|| {
        use std::io::Write;
        let mut file = std::fs::File::create(folder.path().join("file")).expect("a file");
        file.write_all(sample::file()).expect("the disk has space");
        file.sync_all().expect("the disk can sync");
    });
}

#[divan::bench]
fn body_to_disk(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let raw = Arc::new(ObjectRawStore::open_folder(folder.path()).expect("a raw store"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let headers = [("content-type", "text/csv")];
    let headers = headers.map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
    let headers = axum::http::HeaderMap::from_iter(headers);
    bencher.counter(BytesCount::new(sample::file().len())).bench(|| {
        // Pieces of the size that a connection delivers.
        let pieces = sample::file().chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece)));
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let received = muster_ingest::internals::receive(raw.clone(), u64::MAX, &headers, body);
        runtime.block_on(received).expect("the upload is accepted")
    });
}
