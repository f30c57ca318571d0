//! Multipart envelopes whose lines end with LF alone, as some scripts write them, made into ones that end with CRLF. The
//! content of the parts stays as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

/// Whether a body that starts like this is such an envelope.
pub(super) fn is_line_feed_envelope(start: &[u8], boundary: &str) -> bool {
    let rest = start.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary.as_bytes()));
    rest.is_some_and(|rest| rest.starts_with(b"\n"))
}

/// The body of a request in pieces, with CRLF in its envelope.
pub(super) struct LineFeedEnvelope<S> {
    pieces: S,
    /// The line feed before a boundary, and the boundary.
    separator: Vec<u8>,
    buffer: BytesMut,
    /// Whether the buffer starts in the headers of a part.
    in_headers: bool,
    is_at_end: bool,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> LineFeedEnvelope<S> {
    pub(super) fn new(pieces: S, boundary: &str) -> Self {
        let separator = format!("\n--{boundary}").into_bytes();
        Self { pieces, separator, buffer: BytesMut::new(), in_headers: true, is_at_end: false }
    }

    /// Takes what is complete from the buffer; nothing if more input is needed.
    fn take_complete(&mut self) -> Bytes {
        let mut out = BytesMut::new();
        loop {
            if self.in_headers {
                let Some(end) = memchr::memchr(b'\n', &self.buffer) else { break };
                let line = self.buffer.split_to(end + 1);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
                self.in_headers = !line.is_empty();
                continue;
            }
            if let Some(end) = memchr::memmem::find(&self.buffer, &self.separator) {
                out.extend_from_slice(&self.buffer.split_to(end));
                out.extend_from_slice(b"\r\n");
                // The boundary itself is the first line of the headers.
                let _ = self.buffer.split_to(1);
                self.in_headers = true;
                continue;
            }
            let safe = self.buffer.len().saturating_sub(self.separator.len());
            out.extend_from_slice(&self.buffer.split_to(safe));
            break;
        }
        if self.is_at_end {
            out.extend_from_slice(&self.buffer.split());
        }
        out.freeze()
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for LineFeedEnvelope<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.is_at_end {
                return Poll::Ready(None);
            }
            match self.pieces.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(piece))) => self.buffer.extend_from_slice(&piece),
                Poll::Ready(None) => self.is_at_end = true,
                other => return other,
            }
            let taken = self.take_complete();
            if !taken.is_empty() {
                return Poll::Ready(Some(Ok(taken)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn convert(body: &str, piece_bytes: usize) -> String {
        assert!(is_line_feed_envelope(body.as_bytes(), "b"));
        let pieces = body.as_bytes().chunks(piece_bytes).map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let mut envelope = LineFeedEnvelope::new(stream::iter(pieces.collect::<Vec<_>>()), "b");
        let mut converted = Vec::new();
        while let Some(piece) = envelope.next().await {
            converted.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(converted).unwrap()
    }

    #[tokio::test]
    async fn the_envelope_gets_crlf_and_the_content_stays() {
        let content = "EMAIL\na\r\n--c\n\n";
        let body =
            format!("--b\nContent-Disposition: form-data; name=\"file\"\nX: y\n\n{content}\n--b\nA: b\n\nx\n--b--\n");
        let expected = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"\r\nX: y\r\n\r\n{content}\r\n--b\r\nA: b\r\n\r\nx\r\n--b--\r\n"
        );
        for piece_bytes in [1, 2, 3, 5, 7, 1000] {
            assert_eq!(convert(&body, piece_bytes).await, expected, "{piece_bytes}");
        }
    }

    #[test]
    fn an_envelope_with_crlf_is_none() {
        assert!(!is_line_feed_envelope(b"--b\r\nA: b", "b"));
        assert!(!is_line_feed_envelope(b"--bc\n", "b"));
    }
}
