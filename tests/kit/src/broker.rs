//! Access to the broker's queues from outside of Muster: counts, copies, forges and deletes messages.

use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::servers::Servers;

/// A message as it is stored on a queue.
#[derive(Clone, Debug)]
pub struct RawMessage {
    properties: BasicProperties,
    body: Vec<u8>,
}

impl RawMessage {
    /// Forges a message of this type and version, with text headers.
    pub fn forge(kind: &str, version: i32, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut table = FieldTable::default();
        table.insert("version".into(), AMQPValue::LongInt(version));
        for (name, value) in headers {
            table.insert((*name).into(), AMQPValue::LongString((*value).into()));
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_type(kind.into())
            .with_message_id("forged".into())
            .with_headers(table);
        Self { properties, body: body.to_vec() }
    }

    /// Returns a text header.
    pub fn header(&self, name: &str) -> Option<String> {
        match self.properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// Replaces the text of a header.
    pub fn set_header(&mut self, name: &str, text: &str) {
        let mut table = self.properties.headers().clone().unwrap_or_default();
        table.insert(name.into(), AMQPValue::LongString(text.into()));
        self.properties = self.properties.clone().with_headers(table);
    }

    /// Everything but the body that the broker stores and logs of the message.
    pub fn envelope(&self) -> String {
        format!("{:?}", self.properties)
    }
}

/// A connection to the broker, for the queues of one site.
pub struct Broker {
    connection: Connection,
    prefix: String,
}

impl Broker {
    /// Connects to the broker.
    pub async fn connect(servers: &Servers) -> Self {
        let connection = Connection::connect(&servers.amqp_url, ConnectionProperties::default()).await.unwrap();
        Self { connection, prefix: servers.prefix.clone() }
    }

    /// The number of messages that wait on a queue. `None` if the queue does not exist.
    pub async fn count_waiting(&self, queue: &str) -> Option<u32> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        let declared =
            self.channel().await.queue_declare(self.name(queue).into(), options, FieldTable::default()).await;
        declared.ok().map(|queue| queue.message_count())
    }

    /// Removes and returns all messages that wait on a queue.
    pub async fn take_all(&self, queue: &str) -> Vec<RawMessage> {
        let channel = self.channel().await;
        let mut taken = Vec::new();
        while let Some(message) = channel.basic_get(self.name(queue).into(), BasicGetOptions::default()).await.unwrap()
        {
            message.delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
            taken.push(RawMessage { properties: message.delivery.properties, body: message.delivery.data });
        }
        taken
    }

    /// Puts a message on a queue.
    pub async fn publish(&self, queue: &str, message: &RawMessage) {
        let channel = self.channel().await;
        channel.confirm_select(lapin::options::ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = message.properties.clone();
        let confirm = channel.basic_publish("".into(), self.name(queue).into(), options, &message.body, properties);
        assert!(confirm.await.unwrap().await.unwrap().is_ack(), "the broker did not confirm a message of the test");
    }

    /// Deletes a queue and its messages.
    pub async fn delete(&self, queue: &str) {
        self.channel().await.queue_delete(self.name(queue).into(), QueueDeleteOptions::default()).await.unwrap();
    }

    /// Declares a queue with other arguments than Muster.
    pub async fn declare_with_other_arguments(&self, queue: &str) {
        let options = QueueDeclareOptions::durable();
        let declared =
            self.channel().await.queue_declare(self.name(queue).into(), options, FieldTable::default()).await;
        declared.unwrap();
    }

    async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    /// The full name of a queue.
    pub fn name(&self, queue: &str) -> String {
        format!("{}.{queue}", self.prefix)
    }
}
