//! Messages: any delivery is decoded or rejected, and a sealed body can be opened.

#![no_main]

use std::collections::BTreeMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use muster_fuzz::controls;
use muster_messages::{BatchMessage, Envelope, PayloadCodec, SplitMessage};

const KEY: [u8; 32] = [7; 32];
/// The maximum size of an opened body.
const MAX_UNPACKED_BYTES: usize = 8 << 20;

/// Parses lines: `kind`, `version`, headers as `name=value`, an empty line, and the body.
fn envelope(content: &[u8]) -> Envelope {
    let mut lines = content.splitn(64, |byte| *byte == b'\n');
    let mut text = || lines.next().map(String::from_utf8_lossy).unwrap_or_default();
    let (kind, version) = (text().into_owned(), text().parse().unwrap_or(1));
    let mut headers = BTreeMap::new();
    let mut body = Bytes::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
            break;
        }
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        headers.insert(name.to_owned(), value.to_owned());
    }
    Envelope { kind, version, message_id: "9:1".to_owned(), headers, body }
}

fn read(content: &[u8]) {
    let envelope = envelope(content);
    if let Ok(message) = BatchMessage::try_from(&envelope) {
        assert!(message.batch.0 > 0 && message.first_offset <= message.end_offset);
        let sent = Envelope::from(message.clone());
        assert_eq!(BatchMessage::try_from(&sent).expect("an encoded message can be decoded"), message);
        assert!(SplitMessage::try_from(&sent).is_err());
    }
    if let Ok(message) = SplitMessage::try_from(&envelope) {
        let sent = Envelope::from(message);
        assert_eq!(SplitMessage::try_from(&sent).expect("an encoded message can be decoded"), message);
        assert!(BatchMessage::try_from(&sent).is_err());
    }
}

fn open(content: &[u8]) {
    if let Ok(records) = PayloadCodec::new(None).open("9:1", content) {
        assert!(records.len() <= MAX_UNPACKED_BYTES);
    }
    assert!(PayloadCodec::new(Some(&KEY)).open("9:1", content).is_err(), "a body without the key does not open");
}

fn seal(content: &[u8], position: u8) {
    for codec in [PayloadCodec::new(None), PayloadCodec::new(Some(&KEY))] {
        let body = codec.seal("9:1", content).expect("records can be sealed");
        assert_eq!(codec.open("9:1", &body).expect("a sealed body opens"), content);
        assert!(PayloadCodec::new(Some(&[8; 32])).open("9:1", &body).is_err());
    }
    let codec = PayloadCodec::new(Some(&KEY));
    let body = codec.seal("9:1", content).expect("records can be sealed");
    assert!(codec.open("9:2", &body).is_err(), "a body does not open under another message id");
    let mut altered = body.to_vec();
    let position = usize::from(position) % altered.len();
    altered[position] ^= 1;
    assert!(codec.open("9:1", &altered).is_err(), "an altered body does not open");
}

fuzz_target!(|data: &[u8]| {
    let Some(([mode, position], content)) = controls(data) else { return };
    match mode % 3 {
        0 => read(content),
        1 => open(content),
        _ => seal(content, position),
    }
});
