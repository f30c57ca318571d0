//! The response to a connection for which there is no room.

use std::time::Duration;

use muster_runtime::Tasks;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::lingering_close::linger;

/// The maximum number of such responses at the same time. Further connections are closed without one.
static RESPONSES: Semaphore = Semaphore::const_new(64);
/// How long sending may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

const RESPONSE: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\n",
    "content-type: application/json;charset=UTF-8\r\n",
    "retry-after: 5\r\n",
    "connection: close\r\n",
    "content-length: 75\r\n\r\n",
    r#"{"message":"Too many connections are open; try again.","code":"overloaded"}"#,
);

/// Answers 503 and closes the connection.
pub(crate) fn refuse(tasks: &Tasks, mut stream: TcpStream) {
    let Ok(permit) = RESPONSES.try_acquire() else { return };
    tasks.spawn("refuse connection", async move {
        if let Ok(Ok(())) = tokio::time::timeout(SEND_TIMEOUT, stream.write_all(RESPONSE.as_bytes())).await {
            linger(&stream).await;
        }
        drop(permit);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_has_the_length_that_it_declares() {
        let (head, body) = RESPONSE.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
