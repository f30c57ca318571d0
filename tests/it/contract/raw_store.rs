//! A raw store returns an upload only after it is finished, and only unchanged.

use bytes::Bytes;
use futures_util::TryStreamExt;
use muster_ports::{RawStore, RawStoreError, StoredUpload};
use muster_rawstore::ObjectRawStore;

async fn suite(store: &dyn RawStore) {
    // Several pieces, the last one shorter.
    let content: Vec<u8> = (0..2_500_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut upload = store.begin("1/abc").await.unwrap();
    for piece in content.chunks(70_000) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert!(matches!(store.read("1/abc", content.len() as u64).await.err(), Some(RawStoreError::Missing)));
    upload.finish().await.unwrap();

    let pieces: Vec<Bytes> = store.read("1/abc", content.len() as u64).await.unwrap().try_collect().await.unwrap();
    assert_eq!(pieces.concat(), content);
    assert!(matches!(store.read("1/abc", 5).await.err(), Some(RawStoreError::Changed)));

    let size = content.len() as u64;
    for range in [0..1, 70_000..70_010, 1_000_000..1_600_000, size - 1..size] {
        let part = store.read_range("1/abc", size, range.clone()).await.unwrap();
        assert_eq!(part, content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]);
    }
    assert!(matches!(store.read_range("1/abc", size + 1, 0..1).await.err(), Some(RawStoreError::Changed)));
    assert!(matches!(store.read_range("1/none", size, 0..1).await.err(), Some(RawStoreError::Missing)));

    let listed: Vec<StoredUpload> = store.list().try_collect().await.unwrap();
    assert_eq!(listed.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), ["1/abc"]);

    let mut aborted = store.begin("1/def").await.unwrap();
    aborted.write(Bytes::from_static(b"half")).await.unwrap();
    aborted.abort().await;
    assert!(matches!(store.read("1/def", 4).await.err(), Some(RawStoreError::Missing)));

    store.delete("1/abc").await.unwrap();
    store.delete("1/abc").await.unwrap();
    assert!(matches!(store.read("1/abc", content.len() as u64).await.err(), Some(RawStoreError::Missing)));
}

#[tokio::test]
async fn local_folder() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("raw").display());
    suite(&ObjectRawStore::open(&url, []).unwrap()).await;
}

#[tokio::test]
async fn a_packed_upload_takes_little_space_and_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = ObjectRawStore::open(&format!("file://{}", folder.path().display()), []).unwrap();
    let content = b"a@x.example,a,First,Last\n".repeat(100_000);
    let mut upload = store.begin("1/abc.zst").await.unwrap();
    for piece in content.chunks(70_000) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    upload.finish().await.unwrap();
    let file = folder.path().join("1/abc.zst");
    let packed = std::fs::read(&file).unwrap();
    assert!(packed.len() < content.len() / 100, "{}", packed.len());
    assert_eq!(unpack(&store, content.len()).await.unwrap(), content);

    let part = store.read_range("1/abc.zst", content.len() as u64, 0..1).await;
    assert!(matches!(part, Err(RawStoreError::Changed)), "no ranges of a packed upload");
    assert!(matches!(unpack(&store, content.len() - 1).await, Err(RawStoreError::Changed)));
    assert!(matches!(unpack(&store, content.len() + 1).await, Err(RawStoreError::Changed)));
    for damaged in [&packed[..0], &packed[..packed.len() / 2], b"not zstd"] {
        std::fs::write(&file, damaged).unwrap();
        assert!(matches!(unpack(&store, content.len()).await, Err(RawStoreError::Changed)));
    }
    store.delete("1/abc.zst").await.unwrap();
    assert!(matches!(unpack(&store, content.len()).await, Err(RawStoreError::Missing)));
}

async fn unpack(store: &dyn RawStore, bytes: usize) -> Result<Vec<u8>, RawStoreError> {
    let pieces: Vec<Bytes> = store.read("1/abc.zst", bytes as u64).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// A killed process leaves an unfinished upload under a temporary name.
#[tokio::test]
async fn an_unfinished_upload_is_listed_and_can_be_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = ObjectRawStore::open(&format!("file://{}", folder.path().display()), []).unwrap();
    let mut upload = store.begin("1/abc").await.unwrap();
    upload.write(Bytes::from(vec![b'x'; 3_000_000])).await.unwrap();
    std::mem::forget(upload);
    std::fs::write(folder.path().join("1/other"), "x").unwrap();
    let listed: Vec<StoredUpload> = store.list().try_collect().await.unwrap();
    let keys: Vec<&str> = listed.iter().map(|upload| upload.key.as_str()).collect();
    assert_eq!(keys, ["1/other", "1/abc#1"]);
    assert!(listed[1].stored_ms > 1_700_000_000_000, "{}", listed[1].stored_ms);
    store.delete("1/abc#1").await.unwrap();
    store.delete("1/abc#1").await.unwrap();
    assert!(store.delete("../abc#1").await.is_err(), "a key cannot lead out of the folder");
    assert_eq!(store.list().try_collect::<Vec<_>>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_during_a_read_is_detected() {
    let folder = tempfile::tempdir().unwrap();
    let store = ObjectRawStore::open(&format!("file://{}", folder.path().display()), []).unwrap();
    let mut upload = store.begin("1/abc").await.unwrap();
    upload.write(Bytes::from(vec![b'x'; 3_000_000])).await.unwrap();
    upload.finish().await.unwrap();
    let mut reader = store.read("1/abc", 3_000_000).await.unwrap();
    assert!(reader.try_next().await.unwrap().is_some());
    std::fs::write(folder.path().join("1/abc"), vec![b'y'; 2_000_000]).unwrap();
    assert!(matches!(reader.try_next().await, Err(RawStoreError::Changed)));
}
