//! A connection on which a test sends bytes as they are: requests that no HTTP client would send.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer or the end of a connection may take. Longer than any limit of the server's.
const LIMIT: Duration = Duration::from_mins(1);

/// A connection to a service.
pub struct RawConnection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What a service answered.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, in lower case.
    pub head: String,
    /// The body as text.
    pub text: String,
}

impl RawAnswer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The value of a header; its name in lower case.
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

    /// Sends bytes. False if the server has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let sending = tokio::time::timeout(LIMIT, self.stream.write_all(bytes.as_ref()));
        sending.await.expect("the server neither reads nor closes").is_ok()
    }

    /// Whether the server has answered, or closed the connection.
    pub fn has_news(&mut self) -> bool {
        match self.stream.try_read_buf(&mut self.received) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Ends the connection without a farewell, as a client that dies does.
    pub fn reset(self) {
        // Without a linger time the close is a reset.
        self.stream.set_zero_linger().unwrap();
    }

    /// The next answer. Interim ones (1xx) count.
    pub async fn answer(&mut self) -> RawAnswer {
        tokio::time::timeout(LIMIT, self.read_answer()).await.expect("no answer in time")
    }

    /// Whatever comes until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let reading = async { while self.read().await {} };
        tokio::time::timeout(LIMIT, reading).await.expect("the server did not close the connection");
        String::from_utf8_lossy(&std::mem::take(&mut self.received)).into_owned()
    }

    async fn read_answer(&mut self) -> RawAnswer {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.read().await, "closed without an answer; got {:?}", self.received),
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let mut answer = RawAnswer { status, head, text: String::new() };
        let bytes: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.received.len() < end + bytes {
            assert!(self.read().await, "closed within an answer");
        }
        answer.text = String::from_utf8_lossy(&self.received[end..end + bytes]).into_owned();
        self.received.drain(..end + bytes);
        answer
    }

    /// Reads on. False at the end.
    async fn read(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.received).await, Ok(1..))
    }
}
