//! A TCP connection on which a test sends raw bytes: requests that no HTTP client would send.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// For a response or the end of a connection. Longer than any timeout of the services.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A connection to a service.
pub struct RawConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, in lower case.
    pub head: String,
    /// The body as text.
    pub text: String,
}

impl RawResponse {
    /// The body as JSON. Null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Returns the value of a header. `name` must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }
}

impl RawConnection {
    /// Connects to `http://host:port`.
    pub async fn open(base: &str) -> Self {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Sends bytes. Returns `false` if the server has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sending = tokio::time::timeout(TIMEOUT, self.stream.write_all(bytes.as_ref()));
        sending.await.expect("the server neither reads nor closes").is_ok()
    }

    /// Whether the server has sent bytes or closed the connection.
    pub fn has_data_or_is_closed(&mut self) -> bool {
        match self.stream.try_read_buf(&mut self.received) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Closes the sending direction only.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Resets the connection, like a client that dies.
    pub fn reset(self) {
        // With a linger time of zero, closing sends a reset.
        self.stream.set_zero_linger().unwrap();
    }

    /// Reads the next response, which may be an interim response (1xx).
    pub async fn next_response(&mut self) -> RawResponse {
        tokio::time::timeout(TIMEOUT, self.read_next_response()).await.expect("no response in time")
    }

    /// Reads until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let reading = async { while self.read().await {} };
        tokio::time::timeout(TIMEOUT, reading).await.expect("the server did not close the connection");
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    async fn read_next_response(&mut self) -> RawResponse {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.read().await, "closed without a response; got {:?}", self.received),
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let mut response = RawResponse { status, head, text: String::new() };
        let bytes: usize = response.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.received.len() < end + bytes {
            assert!(self.read().await, "closed within a response");
        }
        response.text = String::from_utf8_lossy(&self.received[end..end + bytes]).into_owned();
        self.received.drain(..end + bytes);
        response
    }

    /// Reads more bytes. Returns `false` at the end of the connection.
    async fn read(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.received).await, Ok(1..))
    }
}
