//! Compressed uploads.

use std::pin::Pin;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use muster_domain::Compression;
use muster_domain::sniff::HEAD_BYTES;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt};

use super::error::UploadError;
use super::ratio::limit_ratio;

/// The base-2 logarithm of the largest accepted zstd window, 8 MiB. Each window is memory of this process.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;

/// The compression of a file by its first bytes.
pub(crate) fn compression_of(start: &[u8]) -> Compression {
    if start.starts_with(b"\x1f\x8b") {
        Compression::Gzip
    } else if start.starts_with(b"\x28\xb5\x2f\xfd") {
        Compression::Zstd
    } else {
        Compression::Identity
    }
}

/// Decompresses a stream, with all members of gzip and all frames of zstd. Ends with [`RatioExceeded`](super::ratio) if
/// it unpacks to much more than it is.
pub(crate) fn decompress<'a>(
    compression: Compression,
    compressed: impl AsyncBufRead + Send + Unpin + 'a,
) -> Pin<Box<dyn AsyncRead + Send + 'a>> {
    match compression {
        // The directory of an archive is at its end: it is read from the raw store.
        Compression::Identity | Compression::Zip => Box::pin(compressed),
        Compression::Gzip => Box::pin(limit_ratio(compressed, |compressed| {
            let mut decoder = GzipDecoder::new(compressed);
            decoder.multiple_members(true);
            decoder
        })),
        Compression::Zstd => Box::pin(limit_ratio(compressed, |compressed| {
            let parameters = [DParameter::window_log_max(MAX_ZSTD_WINDOW_LOG)];
            let mut decoder = ZstdDecoder::with_params(compressed, &parameters);
            decoder.multiple_members(true);
            decoder
        })),
    }
}

/// Returns the first bytes of the file, as far as the first bytes of the body determine them. `complete` says that the
/// body has no more bytes.
pub(crate) async fn decompress_head(
    compression: Compression,
    head: &[u8],
    complete: bool,
) -> Result<Vec<u8>, UploadError> {
    let reader = decompress(compression, head);
    let mut decompressed = Vec::new();
    match reader.take(HEAD_BYTES as u64).read_to_end(&mut decompressed).await {
        Ok(_) => Ok(decompressed),
        // The rest has not arrived yet.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !complete => Ok(decompressed),
        Err(_) => Err(UploadError::Compression(compression.as_str())),
    }
}
