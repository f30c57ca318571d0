//! Opens connections and channels, with deadlines.

use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use muster_ports::QueueError;
use secrecy::ExposeSecret;

use crate::config::RabbitConfig;

/// How long the broker may take to respond to a command.
pub(crate) const COMMAND_DEADLINE: Duration = Duration::from_secs(10);

/// Heartbeat interval; a connection that is silent for two intervals is considered lost. RabbitMQ recommends 5 to 20
/// seconds: <https://www.rabbitmq.com/docs/heartbeats>. The URL may override it.
const HEARTBEAT_SECONDS: u16 = 10;

/// Waits for the broker's response to a command, up to [`COMMAND_DEADLINE`].
pub(crate) async fn with_deadline<T>(command: impl Future<Output = lapin::Result<T>>) -> Result<T, QueueError> {
    match tokio::time::timeout(COMMAND_DEADLINE, command).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(QueueError::Unavailable(Some(Box::new(error)))),
        Err(_) => Err(QueueError::Unavailable(None)),
    }
}

/// Opens a connection. `purpose` is part of the name under which the broker lists it.
pub(crate) async fn connect(config: &RabbitConfig, purpose: &str) -> Result<Connection, QueueError> {
    let name = format!("{} {purpose}", config.connection_name);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let mut uri: AMQPUri = config.url.expose_secret().parse().map_err(QueueError::InvalidUrl)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    with_deadline(Connection::connect_uri(uri, properties)).await
}

/// Opens a channel.
pub(crate) async fn open_channel(connection: &Connection) -> Result<Channel, QueueError> {
    with_deadline(connection.create_channel()).await
}
