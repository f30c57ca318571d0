//! The decompressed head of an upload.

use muster_domain::sniff::HEAD_BYTES;
use tokio::io::AsyncReadExt;

use super::{Encoding, UploadError, decompress};

/// The first bytes of the file, as far as they can be known from the first bytes of the body.
pub(crate) async fn decode(encoding: Encoding, head: &[u8], complete: bool) -> Result<Vec<u8>, UploadError> {
    let reader = decompress(encoding, head);
    let mut decoded = Vec::new();
    match reader.take(HEAD_BYTES as u64).read_to_end(&mut decoded).await {
        Ok(_) => Ok(decoded),
        // The rest is still on its way.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !complete => Ok(decoded),
        Err(_) => Err(UploadError::Compression(encoding.as_str())),
    }
}
