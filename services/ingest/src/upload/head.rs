//! The decompressed head of an upload.

use muster_domain::Charset;
use muster_domain::sniff::HEAD_BYTES;
use tokio::io::AsyncReadExt;

use super::watch::charset_of_mark;
use super::{Encoding, UploadError, decompress};
use crate::charset::Transcoder;

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

/// The head as text in which separators and line ends can be found: in every other charset that is read
/// they are the same bytes as in ASCII.
pub(super) fn text(head: &[u8]) -> Vec<u8> {
    let charset = charset_of_mark(head).unwrap_or(Charset::Utf8);
    Transcoder::new(charset).decode(head, true).to_vec()
}
