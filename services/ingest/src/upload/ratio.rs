//! Refuses data that unpacks to much more than it is: a few kilobytes could fill a disk.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// How many times larger than the compressed data the rest of the decompressed data may be.
const MAX_RATIO: u64 = 100;
/// How much may be decompressed at any ratio.
const FREE_BYTES: u64 = 1024 * 1024;

/// The inner error of the I/O error with which reading ends.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the decompressed data is more than {MAX_RATIO} times larger than the compressed data")]
pub(crate) struct RatioExceeded;

/// Whether reading ended because of the ratio.
pub(crate) fn is_ratio_exceeded(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<RatioExceeded>())
}

/// Counts the compressed bytes that a decoder has read.
pub(super) struct CountedInput<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

/// Counts the decompressed bytes, and ends at the limit.
pub(super) struct LimitedOutput<R> {
    inner: R,
    compressed: Arc<AtomicU64>,
    bytes: u64,
}

/// Limits the output of a decoder that `decode` makes of its input.
pub(super) fn limit_ratio<R, D: AsyncRead>(input: R, decode: impl FnOnce(CountedInput<R>) -> D) -> LimitedOutput<D> {
    let read = Arc::new(AtomicU64::new(0));
    let decoder = decode(CountedInput { inner: input, read: read.clone() });
    LimitedOutput { inner: decoder, compressed: read, bytes: 0 }
}

impl<R: AsyncRead + Unpin> AsyncRead for CountedInput<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.read.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for CountedInput<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().inner).poll_fill_buf(context)
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Pin::new(&mut self.inner).consume(bytes);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for LimitedOutput<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.bytes += (buffer.filled().len() - before) as u64;
        let allowed = self.compressed.load(Ordering::Relaxed).saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES);
        if self.bytes > allowed {
            // A reader that returns an error has not read anything.
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::other(RatioExceeded)));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::upload::compression::decompress;
    use muster_domain::Compression;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut packed = Vec::new();
            let mut encoder = async_compression::tokio::bufread::GzipEncoder::new(text);
            encoder.read_to_end(&mut packed).await.unwrap();
            packed
        })
    }

    fn unpacked_bytes(text: &[u8]) -> Result<usize, io::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let packed = gzip(text);
        runtime.block_on(async { decompress(Compression::Gzip, &packed[..]).read_to_end(&mut Vec::new()).await })
    }

    #[test]
    fn only_data_that_unpacks_to_a_multiple_is_refused() {
        let ordinary: Vec<u8> = (0..600_000_u32).flat_map(|number| format!("{number},x\n").into_bytes()).collect();
        assert_eq!(unpacked_bytes(&ordinary).unwrap(), ordinary.len());
        assert_eq!(unpacked_bytes(&vec![b'a'; 1_000_000]).unwrap(), 1_000_000, "a small file of any ratio");
        let error = unpacked_bytes(&vec![b'a'; 10_000_000]).unwrap_err();
        assert!(is_ratio_exceeded(&error), "{error}");
    }
}
