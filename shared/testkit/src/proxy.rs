//! A TCP proxy that misbehaves on request: what a network can do between a process and a server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

const PIECE_BYTES: usize = 16 * 1024;

/// What happens to the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// They pass.
    Pass,
    /// Each piece is late by so much.
    Delay(Duration),
    /// So many bytes pass in a hundredth of a second.
    Drip(usize),
    /// They pass one by one, each in a packet of its own.
    Slice,
    /// Nothing passes, and nobody is told. What was held passes when this ends.
    Blackhole,
    /// As `Blackhole`, and new connections are reset.
    Refuse,
}

/// Where a connection is reset when the client sends these bytes, once.
#[derive(Clone, Debug)]
struct Trap {
    pattern: Vec<u8>,
    /// After the server has answered them, instead of before it sees them.
    answered: bool,
}

#[derive(Debug)]
struct Shared {
    traffic: watch::Sender<Traffic>,
    /// Counts resets of everything.
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

    /// The URL that leads through the proxy.
    pub fn url(&self, url: &str) -> String {
        url.replacen(host_of(url), &self.address.to_string(), 1)
    }

    /// Changes what happens to the bytes, on open connections too.
    pub fn set(&self, traffic: Traffic) {
        self.shared.traffic.send_replace(traffic);
    }

    /// Resets every open connection.
    pub fn reset(&self) {
        self.shared.resets.send_modify(|resets| *resets += 1);
    }

    /// Resets the connection on which a client sends these bytes next, before the server sees them.
    pub fn reset_before(&self, pattern: &[u8]) {
        self.set_trap(pattern, false);
    }

    /// Resets the connection on which a client sends these bytes next, when the server has answered
    /// them and before the client sees the answer.
    pub fn reset_after(&self, pattern: &[u8]) {
        self.set_trap(pattern, true);
    }

    /// Whether the last trap has not gone off yet.
    pub fn is_armed(&self) -> bool {
        self.shared.trap().is_some()
    }

    fn set_trap(&self, pattern: &[u8], answered: bool) {
        *self.shared.trap() = Some(Trap { pattern: pattern.to_vec(), answered });
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

    /// Takes the trap if this piece sets it off.
    fn sprung(&self, piece: &[u8]) -> Option<Trap> {
        let mut trap = self.trap();
        let hit = trap.as_ref().is_some_and(|trap| piece.windows(trap.pattern.len()).any(|w| w == trap.pattern));
        if hit { trap.take() } else { None }
    }
}

/// `host:port` of a URL.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").unwrap().1.split('/').next().unwrap();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn spawn(future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    #[expect(clippy::disallowed_methods, reason = "the proxy is its own owner, and no service")]
    tokio::spawn(future).abort_handle()
}

async fn accept(listener: TcpListener, target: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.traffic.borrow() == Traffic::Refuse {
            let _ = client.set_zero_linger();
            continue;
        }
        spawn(carry(client, target.clone(), shared.clone()));
    }
}

async fn carry(client: TcpStream, target: String, shared: Arc<Shared>) {
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
    let drop_answers = watch::Sender::new(false);
    tokio::select! {
        () = upstream(from_client, to_server, &shared, &drop_answers) => {}
        () = downstream(from_server, to_client, &shared, drop_answers.subscribe()) => {}
        _ = resets.changed() => {}
    }
}

/// From the client to the server. Ends when the connection is to be reset or is closed.
async fn upstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Arc<Shared>,
    drop_answers: &watch::Sender<bool>,
) {
    let mut traffic = shared.traffic.subscribe();
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        match shared.sprung(&buffer[..read]) {
            Some(trap) if trap.answered => {
                drop_answers.send_replace(true);
            }
            Some(_) => return,
            None => {}
        }
        if pass(&mut to, &buffer[..read], &mut traffic).await.is_err() {
            return;
        }
    }
}

/// From the server to the client. Ends when the connection is to be reset or is closed.
async fn downstream(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Arc<Shared>,
    drop_answers: watch::Receiver<bool>,
) {
    let mut traffic = shared.traffic.subscribe();
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 || *drop_answers.borrow() || pass(&mut to, &buffer[..read], &mut traffic).await.is_err() {
            return;
        }
    }
}

async fn pass(
    to: &mut OwnedWriteHalf,
    mut piece: &[u8],
    traffic: &mut watch::Receiver<Traffic>,
) -> std::io::Result<()> {
    while !piece.is_empty() {
        let now = *traffic.borrow_and_update();
        let (length, pause) = match now {
            Traffic::Pass => (piece.len(), Duration::ZERO),
            Traffic::Delay(late) => (piece.len(), late),
            Traffic::Drip(bytes) => (bytes.clamp(1, piece.len()), Duration::from_millis(10)),
            Traffic::Slice => (1, Duration::ZERO),
            Traffic::Blackhole | Traffic::Refuse => {
                let _ = traffic.changed().await;
                continue;
            }
        };
        tokio::time::sleep(pause).await;
        to.write_all(&piece[..length]).await?;
        piece = &piece[length..];
    }
    Ok(())
}
