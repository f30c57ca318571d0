//! How to reach the broker.

use std::time::Duration;

use muster_ports::QueueName;
use secrecy::SecretString;

/// How to reach the broker.
#[derive(Clone, Debug)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:port/vhost`.
    pub url: SecretString,
    /// What stands before the names of the queues, for example `muster`.
    pub namespace: String,
    /// What the broker shows for the connections of this process.
    pub connection_name: String,
    /// How long a publication may take until it is confirmed.
    pub publish_deadline: Duration,
}

impl RabbitConfig {
    /// The full name of a queue.
    pub(crate) fn queue(&self, queue: QueueName) -> String {
        format!("{}.{}", self.namespace, queue.as_str())
    }
}
