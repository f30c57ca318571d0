//! The test kit: real processes of Muster, private databases and queues on real servers, and clients.
//!
//! For tests only: it panics where a test would.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test that cannot continue panics")]

mod archive;
mod broker;
mod client;
mod fault_servers;
mod program;
mod proxy;
mod raw_connection;
mod servers;
mod site;
mod wait;

pub use archive::{workbook, zip_archive};
pub use broker::{Broker, RawMessage};
pub use client::{Client, Response, http_client};
pub use fault_servers::{FaultServers, Server, SmallDisk};
pub use program::Program;
pub use proxy::{Proxy, Traffic};
pub use raw_connection::{RawConnection, RawResponse};
pub use servers::Servers;
pub use site::{Backend, Site, SiteOptions};
pub use wait::wait_until;
