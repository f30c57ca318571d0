//! Connection settings of the broker.

use std::time::Duration;

use muster_ports::QueueName;
use secrecy::SecretString;

/// Connection settings of the broker.
#[derive(Clone, Debug)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:port/vhost`.
    pub url: SecretString,
    /// Prefix of the queue names, for example `muster`.
    pub namespace: String,
    /// Name under which the broker lists the connections of this process.
    pub connection_name: String,
    /// Maximum time for publishing a message, including its confirmation.
    pub publish_deadline: Duration,
}

impl RabbitConfig {
    /// The name of a queue, including the prefix.
    pub(crate) fn queue_name(&self, queue: QueueName) -> String {
        format!("{}.{}", self.namespace, queue.as_str())
    }
}
