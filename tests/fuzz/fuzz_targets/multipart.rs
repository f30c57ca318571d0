//! Uploads: a body in frames of any sizes is stored unchanged or refused, within limits.

#![no_main]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use libfuzzer_sys::fuzz_target;
use muster_domain::file_type;
use muster_fuzz::{controls, pieces};
use muster_ports::{RawReader, RawStore, RawStoreError, RawUpload, StoredUpload};

const BOUNDARY: &str = "X";
const MAX_BYTES: u64 = 96 * 1024;
/// The maximum number of bytes that are read of an upload that is refused before storing starts: the data
/// around a part, the head of the file, and the rest of their frames.
const MAX_BYTES_BEFORE_REFUSAL: usize = 384 * 1024;

/// A raw store in memory, which counts started uploads.
#[derive(Clone, Default)]
struct Memory {
    stored: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    started: Arc<Mutex<u32>>,
}

struct Writing {
    memory: Memory,
    key: String,
    content: Vec<u8>,
}

#[async_trait]
impl RawStore for Memory {
    async fn begin(&self, key: &str) -> Result<Box<dyn RawUpload>, RawStoreError> {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Ok(Box::new(Writing { memory: self.clone(), key: key.to_owned(), content: Vec::new() }))
    }

    async fn read(&self, _key: &str, _bytes: u64) -> Result<RawReader, RawStoreError> {
        Err(RawStoreError::Missing)
    }

    async fn read_range(&self, _key: &str, _bytes: u64, _range: Range<u64>) -> Result<Bytes, RawStoreError> {
        Err(RawStoreError::Missing)
    }

    fn list(&self) -> BoxStream<'static, Result<StoredUpload, RawStoreError>> {
        stream::empty().boxed()
    }

    async fn delete(&self, _key: &str) -> Result<(), RawStoreError> {
        Ok(())
    }
}

#[async_trait]
impl RawUpload for Writing {
    async fn write(&mut self, piece: Bytes) -> Result<(), RawStoreError> {
        self.content.extend_from_slice(&piece);
        assert!(self.content.len() as u64 <= MAX_BYTES, "the stored bytes stay within the limit");
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), RawStoreError> {
        let Self { memory, key, content } = *self;
        memory.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(key, content);
        Ok(())
    }

    async fn abort(self: Box<Self>) {}
}

/// The result of an upload: the stored file, the number of started uploads, and the bytes read of the body.
struct UploadResult {
    stored: Option<Vec<u8>>,
    started: u32,
    read: usize,
}

fn receive(frames: Vec<Bytes>, compression: &'static str) -> UploadResult {
    let memory = Memory::default();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data; boundary=X"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(compression));
    let read_bytes = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = read_bytes.clone();
    let body = Body::from_stream(stream::iter(frames).map(move |frame| {
        counter.fetch_add(frame.len(), std::sync::atomic::Ordering::Relaxed);
        Ok::<_, std::io::Error>(frame)
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let received = runtime.block_on(muster_ingest::internals::receive(Arc::new(memory.clone()), MAX_BYTES, &headers, body));
    let stored = received.ok().map(|(raw, header)| {
        assert!(!header.titles().is_empty());
        let stored = memory.stored.lock().unwrap_or_else(PoisonError::into_inner).remove(&raw.key);
        let stored = stored.expect("an accepted upload is stored");
        assert_eq!(stored.len() as u64, raw.bytes);
        stored
    });
    assert!(memory.stored.lock().unwrap_or_else(PoisonError::into_inner).is_empty(), "a refused upload is not stored");
    let started = *memory.started.lock().unwrap_or_else(PoisonError::into_inner);
    UploadResult { stored, started, read: read_bytes.load(std::sync::atomic::Ordering::Relaxed) }
}

fn frames(body: &[u8], seed: u8) -> Vec<Bytes> {
    pieces(body, seed).into_iter().map(Bytes::copy_from_slice).collect()
}

/// Builds the body for a file as browsers and curl do.
fn multipart_body(file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n"
    );
    [head.as_bytes(), file, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

fuzz_target!(|data: &[u8]| {
    let Some(([mode, seed], content)) = controls(data) else { return };
    match mode % 6 {
        0 => drop(receive(frames(content, seed), "identity")),
        1 => drop(receive(frames(content, seed), "gzip")),
        2 => drop(receive(frames(content, seed), "zstd")),
        3 => {
            // A long body that repeats the content: if it is not an upload, it is refused long before its end.
            let frame: Vec<u8> = content.iter().copied().cycle().take(16 * 1024).collect();
            if frame.is_empty() {
                return;
            }
            let result = receive(vec![frame.into(); 64], "identity");
            assert!(result.started > 0 || result.read <= MAX_BYTES_BEFORE_REFUSAL, "{} bytes were read", result.read);
        }
        mode => {
            let file = [b"EMAIL,USERNAME,FIRST_NM,LAST_NM\n", content].concat();
            let delimiter = format!("\r\n--{BOUNDARY}");
            let is_text = std::str::from_utf8(&file).is_ok() && !file.contains(&0) && file_type::refuse_other_types(&file).is_ok();
            let contains_delimiter = file.windows(delimiter.len()).any(|window| window == delimiter.as_bytes());
            if contains_delimiter || !is_text {
                return;
            }
            let body = multipart_body(&file);
            let result = if mode == 4 {
                receive(frames(&body, seed), "identity")
            } else {
                let packed = zstd::bulk::compress(&body, 1).expect("memory can be compressed");
                receive(frames(&packed, seed), "zstd")
            };
            assert_eq!(result.stored.as_deref(), Some(file.as_slice()), "the stored file equals the uploaded one");
        }
    }
});
