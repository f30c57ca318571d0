//! The queue on RabbitMQ.
//!
//! lapin serves as transport only; this crate does the recovery. A consumer is a loop of connection, channel, prefetch,
//! topology, consume: after any error the whole generation is discarded with its ackers, and a new one is built.
//! Publishers have their own connection, because a broker under a resource alarm blocks every connection that
//! publishes, including its acknowledgements. Every wait has a deadline.
//!
//! Behavior must not depend on the broker's version, so every queue argument that matters for safety is declared
//! explicitly; see `topology.rs`.

mod config;
mod connection;
mod consume;
mod convert;
mod dead;
mod headers;
mod publish;
mod queue;
mod topology;

pub use config::RabbitConfig;
pub use queue::RabbitQueue;
