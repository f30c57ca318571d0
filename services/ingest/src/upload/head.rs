//! The decompressed head of an upload.

use encoding_rs::{UTF_16BE, UTF_16LE};
use muster_domain::Charset;
use muster_domain::sniff::HEAD_BYTES;
use tokio::io::AsyncReadExt;

use super::watch::charset_of_mark;
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

/// The head as text in which separators and line ends can be found: in every other charset that is read
/// they are the same bytes as in ASCII.
pub(super) fn text(head: &[u8]) -> Vec<u8> {
    match charset_of_mark(head) {
        Some(Charset::Utf16Le) => UTF_16LE.decode(head).0.into_owned().into_bytes(),
        Some(Charset::Utf16Be) => UTF_16BE.decode(head).0.into_owned().into_bytes(),
        _ => head.to_vec(),
    }
}
