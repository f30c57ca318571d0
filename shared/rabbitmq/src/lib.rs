//! The queue on RabbitMQ.
//!
//! lapin is used as transport only; recovery is our own. A consumer is a loop of connection,
//! channel, prefetch, topology, consume: whatever fails, the whole generation is thrown away with
//! its ackers and a new one is built. Publishers have a connection of their own, because a broker
//! under alarm blocks the connections that publish, acknowledgements included. Every wait has a
//! deadline.
//!
//! Behaviour must not depend on the broker's version, so every argument that makes a queue safe is
//! declared explicitly; see [`topology`](self).

mod config;
mod connection;
mod consume;
mod convert;
mod dead;
mod publish;
mod queue;
mod topology;

pub use config::RabbitConfig;
pub use queue::RabbitQueue;
