//! Lingering close at the end of a connection.
//!
//! Closing a socket that has unread bytes resets the connection, and the reset may overtake the response. So the
//! server takes the stream back from hyper, which has shut down the sending side, and reads on until the client has
//! closed its own side.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How long the client may take to close its side.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of bytes that are read and discarded meanwhile.
const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

/// A stream that goes back to the server when hyper drops it.
pub(crate) struct ReturnableStream {
    stream: Option<TcpStream>,
    owner: Option<oneshot::Sender<TcpStream>>,
}

/// Receives the stream back.
pub(crate) struct StreamReturn(oneshot::Receiver<TcpStream>);

/// Wraps a stream for hyper, with the receiver that gets it back.
pub(crate) fn returnable_stream(stream: TcpStream) -> (ReturnableStream, StreamReturn) {
    let (owner, returned) = oneshot::channel();
    (ReturnableStream { stream: Some(stream), owner: Some(owner) }, StreamReturn(returned))
}

impl StreamReturn {
    /// Reads and discards until the client has closed its side, within the limits of time and bytes.
    pub(crate) async fn linger(mut self) {
        let Ok(mut stream) = self.0.try_recv() else { return };
        let discard = async {
            // hyper has done this already, unless the connection failed.
            let _ = stream.shutdown().await;
            let mut left = MAX_LINGER_BYTES;
            let mut unread = vec![0; 16 * 1024];
            while left > 0 {
                match stream.read(&mut unread).await {
                    Ok(bytes @ 1..) => left = left.saturating_sub(bytes),
                    Ok(0) | Err(_) => return,
                }
            }
        };
        // After the timeout the client has its response, or is gone.
        let _ = tokio::time::timeout(LINGER_TIMEOUT, discard).await;
    }
}

impl ReturnableStream {
    fn poll<T>(&mut self, poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.stream {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for ReturnableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for ReturnableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(cx))
    }
}

impl Drop for ReturnableStream {
    fn drop(&mut self) {
        if let (Some(stream), Some(owner)) = (self.stream.take(), self.owner.take()) {
            // Without a receiver the stream is closed immediately: the service is stopping.
            let _ = owner.send(stream);
        }
    }
}
