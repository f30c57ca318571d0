//! Lingering close at the end of a connection.
//!
//! Closing a socket that has unread bytes resets the connection, and the reset may overtake the response. So the
//! server shuts down only the sending side and reads on until the client has closed its own side.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use super::stream::shut_down;

/// How long the client may take to close its side.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of bytes that are read and discarded meanwhile.
const MAX_LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Reads and discards until the client has closed its side, within the limits of time and bytes.
pub(crate) async fn linger(stream: &TcpStream) {
    // hyper has done this already, unless the connection failed.
    let _ = shut_down(stream);
    // After the timeout the client has its response, or is gone.
    let _ = tokio::time::timeout(LINGER_TIMEOUT, discard(stream)).await;
}

async fn discard(stream: &TcpStream) {
    let mut left = MAX_LINGER_BYTES;
    let mut unread = vec![0; 16 * 1024];
    while left > 0 {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut unread) {
            Ok(bytes @ 1..) => left = left.saturating_sub(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}
