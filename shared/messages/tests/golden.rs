//! Every version of every message, as it may still be stored in a queue.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use bytes::Bytes;
use muster_domain::csv::{BrokenLine, LineProblem};
use muster_domain::{BatchNo, Dialect, JobId};
use muster_messages::{BatchMessage, Envelope, SplitMessage};
use serde_json::{Value, json};

fn as_json(envelope: &Envelope) -> Value {
    json!({
        "kind": envelope.kind,
        "version": envelope.version,
        "message_id": envelope.message_id,
        "headers": envelope.headers,
        "body": String::from_utf8(envelope.body.to_vec()).unwrap(),
    })
}

fn from_json(value: &Value) -> Envelope {
    Envelope {
        kind: value["kind"].as_str().unwrap().to_owned(),
        version: u16::try_from(value["version"].as_u64().unwrap()).unwrap(),
        message_id: value["message_id"].as_str().unwrap().to_owned(),
        headers: serde_json::from_value(value["headers"].clone()).unwrap(),
        body: Bytes::from(value["body"].as_str().unwrap().to_owned()),
    }
}

fn batch() -> BatchMessage {
    BatchMessage {
        job: JobId(9),
        batch: BatchNo(3),
        first_line: 4002,
        first_row: 4001,
        rows: 2000,
        first_offset: 1_048_576,
        end_offset: 1_572_864,
        dialect: Dialect::Spigit,
        broken: Vec::new(),
        payload: Bytes::from_static(b"payload"),
    }
}

#[test]
fn the_encoding_of_batch_v1_has_not_changed() {
    let golden: Value = serde_json::from_str(include_str!("golden/batch.v1.json")).unwrap();
    assert_eq!(as_json(&batch().into()), golden);
    assert_eq!(BatchMessage::try_from(&from_json(&golden)).unwrap(), batch());
}

#[test]
fn broken_lines_are_encoded_by_their_distances() {
    let broken = |line, problem| BrokenLine { line, problem };
    let message = BatchMessage {
        broken: vec![broken(4002, LineProblem::QuoteUnclosed), broken(4010, LineProblem::TooLarge)],
        ..batch()
    };
    let envelope = Envelope::from(message.clone());
    assert_eq!(envelope.headers["broken"], "0u8l");
    assert_eq!(BatchMessage::try_from(&envelope).unwrap(), message);
    for invalid in ["u", "1", "1x", "1u2", "-1u", "99999999999999999999u"] {
        let mut damaged = envelope.clone();
        damaged.headers.insert("broken".to_owned(), invalid.to_owned());
        assert!(BatchMessage::try_from(&damaged).is_err(), "{invalid}");
    }
}

#[test]
fn the_encoding_of_split_v1_has_not_changed() {
    let golden: Value = serde_json::from_str(include_str!("golden/split.v1.json")).unwrap();
    assert_eq!(as_json(&SplitMessage { job: JobId(9) }.into()), golden);
    assert_eq!(SplitMessage::try_from(&from_json(&golden)).unwrap(), SplitMessage { job: JobId(9) });
}

/// A consumer that ignores traces reads the same message.
#[test]
fn messages_with_trace_headers_stay_readable() {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", parent), ("tracestate", "vendor=x")];
    let headers = Vec::from(headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let golden: Value = serde_json::from_str(include_str!("golden/batch.v1.traced.json")).unwrap();
    assert_eq!(as_json(&Envelope::from(batch()).with_headers(headers.clone())), golden);
    let envelope = from_json(&golden);
    assert_eq!(BatchMessage::try_from(&envelope).unwrap(), batch());
    assert_eq!(envelope.find_header("traceparent"), Some(parent));
    let golden: Value = serde_json::from_str(include_str!("golden/split.v1.traced.json")).unwrap();
    assert_eq!(as_json(&Envelope::from(SplitMessage { job: JobId(9) }).with_headers(headers)), golden);
    assert_eq!(SplitMessage::try_from(&from_json(&golden)).unwrap(), SplitMessage { job: JobId(9) });
}

#[test]
fn unsupported_and_damaged_messages_are_rejected_with_a_reason() {
    let good = Envelope::from(batch());
    let newer = Envelope { version: 2, ..good.clone() };
    assert_eq!(
        BatchMessage::try_from(&newer).unwrap_err().to_string(),
        "expected a batch message of version 1, found batch of version 2"
    );
    let mut damaged = good.clone();
    damaged.headers.remove("first_line");
    assert_eq!(BatchMessage::try_from(&damaged).unwrap_err().to_string(), "the header first_line is missing");
    for (name, value) in
        [("batch", "-1"), ("batch", "0"), ("end_offset", "1048575"), ("end_offset", "18446744073709551615")]
    {
        let mut damaged = good.clone();
        damaged.headers.insert(name.to_owned(), value.to_owned());
        assert_eq!(BatchMessage::try_from(&damaged).unwrap_err().to_string(), format!("the header {name} is invalid"));
    }
}
