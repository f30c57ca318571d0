//! Makes connections, with deadlines.

use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use muster_ports::QueueError;
use secrecy::ExposeSecret;

use crate::config::RabbitConfig;

/// How long the broker may take to answer a command.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// Seconds between two signs of life; after twice as many a silent connection counts as lost.
/// RabbitMQ advises 5 to 20: <https://www.rabbitmq.com/docs/heartbeats>. The address may say otherwise.
const HEARTBEAT_SECONDS: u16 = 10;

/// Waits for an answer of the broker, at most for [`ANSWER_DEADLINE`].
pub(crate) async fn answer<T>(future: impl Future<Output = lapin::Result<T>>) -> Result<T, QueueError> {
    match tokio::time::timeout(ANSWER_DEADLINE, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(QueueError::Unavailable(Some(Box::new(error)))),
        Err(_) => Err(QueueError::Unavailable(None)),
    }
}

/// Opens a connection.
pub(crate) async fn connect(config: &RabbitConfig, purpose: &str) -> Result<Connection, QueueError> {
    let name = format!("{} {purpose}", config.connection_name);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(QueueError::Address)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    answer(Connection::connect_uri(uri, properties)).await
}

/// Opens a channel.
pub(crate) async fn channel(connection: &Connection) -> Result<Channel, QueueError> {
    answer(connection.create_channel()).await
}
