//! A TCP proxy that disturbs traffic on request, as a network between a process and a server can.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

const CHUNK_BYTES: usize = 16 * 1024;

/// How the proxy treats traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// Bytes pass.
    Pass,
    /// Each chunk is delayed by this duration.
    Delay(Duration),
    /// This number of bytes passes every 10 ms.
    Drip(usize),
    /// Bytes pass one by one, each in a packet of its own.
    Slice,
    /// Nothing passes, and no connection is closed. Held bytes pass when this ends.
    Blackhole,
    /// Like `Blackhole`, and new connections are reset.
    Refuse,
}

/// Resets a connection, once, when the client sends these bytes.
#[derive(Clone, Debug)]
struct Trap {
    pattern: Vec<u8>,
    /// Whether to reset after the server has responded, instead of before the bytes reach it.
    after_response: bool,
}

#[derive(Debug)]
struct Shared {
    traffic: watch::Sender<Traffic>,
    /// Counts the resets of all connections.
    resets: watch::Sender<u64>,
    trap: Mutex<Option<Trap>>,
}

/// A proxy in front of one server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Starts a proxy in front of the server that a URL names.
    pub async fn start(url: &str) -> Self {
        let target = host_of(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            traffic: watch::Sender::new(Traffic::Pass),
            resets: watch::Sender::new(0),
            trap: Mutex::default(),
        });
        let accepting = spawn(accept(listener, target, shared.clone()));
        Self { address, shared, accepting }
    }

    /// Rewrites the URL of the server to lead through the proxy.
    pub fn url(&self, url: &str) -> String {
        url.replacen(host_of(url), &self.address.to_string(), 1)
    }

    /// Changes how traffic is treated, on open connections too.
    pub fn set(&self, traffic: Traffic) {
        self.shared.traffic.send_replace(traffic);
    }

    /// Resets every open connection.
    pub fn reset(&self) {
        self.shared.resets.send_modify(|resets| *resets += 1);
    }

    /// Resets the next connection on which a client sends these bytes, before they reach the server.
    pub fn reset_before(&self, pattern: &[u8]) {
        self.set_trap(pattern, false);
    }

    /// Resets the next connection on which a client sends these bytes, after the server has responded and before the
    /// response reaches the client.
    pub fn reset_after(&self, pattern: &[u8]) {
        self.set_trap(pattern, true);
    }

    /// Whether the reset that was requested last is still pending.
    pub fn is_armed(&self) -> bool {
        self.shared.trap().is_some()
    }

    fn set_trap(&self, pattern: &[u8], after_response: bool) {
        *self.shared.trap() = Some(Trap { pattern: pattern.to_vec(), after_response });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

impl Shared {
    fn trap(&self) -> std::sync::MutexGuard<'_, Option<Trap>> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the trap if this chunk contains its pattern.
    fn spring(&self, chunk: &[u8]) -> Option<Trap> {
        let mut trap = self.trap();
        let is_match = trap.as_ref().is_some_and(|trap| chunk.windows(trap.pattern.len()).any(|w| w == trap.pattern));
        if is_match { trap.take() } else { None }
    }
}

/// `host:port` of a URL.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").unwrap().1.split('/').next().unwrap();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    #[expect(clippy::disallowed_methods, reason = "the proxy owns its tasks")]
    tokio::spawn(future).abort_handle()
}

async fn accept(listener: TcpListener, target: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.traffic.borrow() == Traffic::Refuse {
            let _ = client.set_zero_linger();
            continue;
        }
        spawn(proxy_connection(client, target.clone(), shared.clone()));
    }
}

async fn proxy_connection(client: TcpStream, target: String, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(&target).await else {
        let _ = client.set_zero_linger();
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
        // Dropping a stream then resets its connection.
        let _ = stream.set_zero_linger();
    }
    let mut resets = shared.resets.subscribe();
    resets.mark_unchanged();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let drop_responses = watch::Sender::new(false);
    tokio::select! {
        () = forward_to_server(from_client, to_server, &shared, &drop_responses) => {}
        () = forward_to_client(from_server, to_client, &shared, drop_responses.subscribe()) => {}
        _ = resets.changed() => {}
    }
}

/// Forwards from the client to the server. Returns when the connection is closed or to be reset.
async fn forward_to_server(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Arc<Shared>,
    drop_responses: &watch::Sender<bool>,
) {
    let mut traffic = shared.traffic.subscribe();
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        match shared.spring(&buffer[..read]) {
            Some(trap) if trap.after_response => {
                drop_responses.send_replace(true);
            }
            Some(_) => return,
            None => {}
        }
        if forward(&mut to, &buffer[..read], &mut traffic).await.is_err() {
            return;
        }
    }
}

/// Forwards from the server to the client. Returns when the connection is closed or to be reset.
async fn forward_to_client(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Arc<Shared>,
    drop_responses: watch::Receiver<bool>,
) {
    let mut traffic = shared.traffic.subscribe();
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 || *drop_responses.borrow() || forward(&mut to, &buffer[..read], &mut traffic).await.is_err() {
            return;
        }
    }
}

/// Writes a chunk as the current traffic setting says.
async fn forward(
    to: &mut OwnedWriteHalf,
    mut chunk: &[u8],
    traffic: &mut watch::Receiver<Traffic>,
) -> std::io::Result<()> {
    while !chunk.is_empty() {
        let now = *traffic.borrow_and_update();
        let (length, pause) = match now {
            Traffic::Pass => (chunk.len(), Duration::ZERO),
            Traffic::Delay(delay) => (chunk.len(), delay),
            Traffic::Drip(bytes) => (bytes.clamp(1, chunk.len()), Duration::from_millis(10)),
            Traffic::Slice => (1, Duration::ZERO),
            Traffic::Blackhole | Traffic::Refuse => {
                let _ = traffic.changed().await;
                continue;
            }
        };
        tokio::time::sleep(pause).await;
        to.write_all(&chunk[..length]).await?;
        chunk = &chunk[length..];
    }
    Ok(())
}
