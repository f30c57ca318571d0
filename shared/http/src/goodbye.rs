//! The end of a connection.
//!
//! A socket that is closed with bytes unread resets the connection, and a reset may overtake the
//! answer. So the stream comes back from hyper, which has closed our side of it, and is held until
//! the client has closed its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How long the client may take to close its side.
const DEADLINE: Duration = Duration::from_secs(2);
/// Bytes that are still taken from it.
const BYTES: usize = 4 * 1024 * 1024;

/// A stream on loan to hyper.
pub(crate) struct LentStream {
    stream: Option<TcpStream>,
    owner: Option<oneshot::Sender<TcpStream>>,
}

/// Where a stream comes back to.
pub(crate) struct StreamLoan(oneshot::Receiver<TcpStream>);

/// Lends a stream.
pub(crate) fn lend_stream(stream: TcpStream) -> (LentStream, StreamLoan) {
    let (owner, returned) = oneshot::channel();
    (LentStream { stream: Some(stream), owner: Some(owner) }, StreamLoan(returned))
}

impl StreamLoan {
    /// Waits until the client has closed its side, within bounds.
    pub(crate) async fn say_goodbye(mut self) {
        let Ok(mut stream) = self.0.try_recv() else { return };
        let parting = async {
            // Done already, unless the connection failed.
            let _ = stream.shutdown().await;
            let mut left = BYTES;
            let mut unread = vec![0; 16 * 1024];
            while left > 0 {
                match stream.read(&mut unread).await {
                    Ok(bytes @ 1..) => left = left.saturating_sub(bytes),
                    Ok(0) | Err(_) => return,
                }
            }
        };
        // The client has its answer, or is gone.
        let _ = tokio::time::timeout(DEADLINE, parting).await;
    }
}

impl LentStream {
    fn poll<T>(&mut self, poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.stream {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for LentStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for LentStream {
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

impl Drop for LentStream {
    fn drop(&mut self) {
        if let (Some(stream), Some(owner)) = (self.stream.take(), self.owner.take()) {
            // Without an owner the stream is closed at once: the service was told to stop.
            let _ = owner.send(stream);
        }
    }
}
