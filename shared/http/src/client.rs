//! The client of a request: its address, and whether it is still there.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use tokio::net::TcpStream;

/// In which a proxy passes on the address of its client.
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The proxies in front of a server, by address.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// Trusts the header `X-Real-IP` of peers in these networks.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().collect())
    }

    /// Whether the peer is a proxy.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }
}

/// The client at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) address: Option<IpAddr>,
    stream: Option<Arc<TcpStream>>,
}

impl Client {
    /// The client of a request that came from `peer`.
    pub(crate) fn new(peer: IpAddr, proxies: &TrustedProxies, headers: &HeaderMap, stream: Arc<TcpStream>) -> Self {
        let passed_on = || headers.get(REAL_IP)?.to_str().ok()?.trim().parse().ok();
        let address = if proxies.contains(peer) { passed_on() } else { Some(peer) };
        Self { address, stream: Some(stream) }
    }

    /// The client of a request. In tests without a connection it has no address and never closes.
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or(Self { address: None, stream: None })
    }

    /// Waits until the client has closed its side of the connection, or has reset it. Does not end if the client sent
    /// more than the request, because what it sent comes before its end.
    pub async fn closed(&self) {
        let Some(stream) = &self.stream else { return std::future::pending().await };
        match stream.peek(&mut [0]).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_names_the_address_of_its_client() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
            let mut headers = HeaderMap::new();
            headers.insert(REAL_IP, "192.0.2.7".parse().unwrap());
            let address = |peer: &str| Client::new(peer.parse().unwrap(), &proxies, &headers, stream.clone()).address;
            assert_eq!(address("10.1.2.3").unwrap().to_string(), "192.0.2.7");
            assert_eq!(address("::ffff:10.1.2.3").unwrap().to_string(), "192.0.2.7", "IPv4 on an IPv6 socket");
            assert_eq!(address("203.0.113.1").unwrap().to_string(), "203.0.113.1");
        });
    }
}
