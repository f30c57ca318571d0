//! Converts envelopes to AMQP properties and back.

use std::collections::BTreeMap;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use muster_messages::Envelope;

use crate::headers::VERSION;

/// Delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

pub(crate) fn properties(envelope: &Envelope) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(VERSION.into(), AMQPValue::LongInt(i32::from(envelope.version)));
    for (name, value) in &envelope.headers {
        headers.insert(name.as_str().into(), AMQPValue::LongString(value.as_str().into()));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_type(envelope.kind.as_str().into())
        .with_message_id(envelope.message_id.as_str().into())
        .with_content_type("application/octet-stream".into())
        .with_headers(headers)
}

/// Converts a message from the broker. Missing properties become empty, so that the message is rejected with a reason
/// when it is parsed.
pub(crate) fn envelope(properties: &BasicProperties, data: Vec<u8>) -> Envelope {
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut version = 0;
    let mut headers = BTreeMap::new();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        match value {
            AMQPValue::LongString(value) => {
                headers.insert(name.to_string(), value.to_string());
            }
            AMQPValue::LongInt(value) if name.as_str() == VERSION => version = u16::try_from(*value).unwrap_or(0),
            _ => {}
        }
    }
    Envelope {
        kind: text(properties.kind()),
        version,
        message_id: text(properties.message_id()),
        headers,
        body: Bytes::from(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_conversion_to_amqp_and_back() {
        let envelope = Envelope {
            kind: "batch".to_owned(),
            version: 1,
            message_id: "9:3".to_owned(),
            headers: BTreeMap::from([("job".to_owned(), "9".to_owned())]),
            body: Bytes::from_static(b"body"),
        };
        assert_eq!(super::envelope(&properties(&envelope), b"body".to_vec()), envelope);
    }
}
