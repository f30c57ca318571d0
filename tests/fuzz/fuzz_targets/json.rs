//! JSON arrays: the pieces in which a text arrives make no difference, the reported positions of elements
//! are correct, a batch has the same elements, and a valid text has the elements that `serde_json` finds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_domain::RejectionCode;
use muster_domain::json_array::JsonArrayScanner;
use muster_domain::scanner::{RecordError, RecordLimits, Scan, Scanner};
use muster_fuzz::{controls, pieces};
use serde_json::Value;

#[derive(Debug, PartialEq)]
struct Element {
    row: u64,
    start: u64,
    raw: Vec<u8>,
}

struct Reading {
    scanner: JsonArrayScanner,
    elements: Vec<Element>,
    offset: u64,
}

impl Reading {
    fn new(scanner: JsonArrayScanner) -> Self {
        Self { scanner, elements: Vec::new(), offset: 0 }
    }

    fn read(&mut self, mut piece: &[u8], at_end: bool) -> Result<(), RecordError> {
        while let Scan::Record(consumed) = self.scanner.scan(piece, at_end)? {
            piece = &piece[consumed..];
            let start = self.offset + self.scanner.lead_bytes();
            let raw = self.scanner.raw().to_vec();
            self.offset = start + raw.len() as u64;
            self.elements.push(Element { row: self.scanner.line(), start, raw });
        }
        Ok(())
    }
}

fn whole(scanner: JsonArrayScanner, text: &[u8]) -> (Vec<Element>, Option<RecordError>) {
    let mut reading = Reading::new(scanner);
    let error = reading.read(text, true).err();
    (reading.elements, error)
}

fn in_pieces(scanner: JsonArrayScanner, text: &[u8], seed: u8) -> (Vec<Element>, Option<RecordError>) {
    let mut reading = Reading::new(scanner);
    let reads = pieces(text, seed).into_iter().try_for_each(|piece| reading.read(piece, false));
    let error = reads.and_then(|()| reading.read(b"", true)).err();
    (reading.elements, error)
}

fn check_batch(elements: &[Element], limits: RecordLimits) {
    let raws: Vec<_> = elements.iter().map(|element| element.raw.as_slice()).collect();
    let (again, error) = whole(JsonArrayScanner::sequence(limits, 1), &raws.join(b"\n".as_slice()));
    assert_eq!(error, None);
    let again: Vec<_> = again.iter().map(|element| element.raw.as_slice()).collect();
    assert_eq!(again, raws);
}

/// The elements that `serde_json` finds, or `None` if the text is invalid.
fn parse_elements(text: &[u8]) -> Option<Vec<Value>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match serde_json::from_slice(text).ok()? {
        Value::Array(elements) => Some(elements),
        object @ Value::Object(_) => Some(vec![object]),
        _ => None,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([seed, limits], text)) = controls(data) else { return };
    let tight = limits % 2 == 1;
    let limits =
        if tight { RecordLimits { max_bytes: 1 + usize::from(limits), max_lines: 1 } } else { RecordLimits::default() };
    // The same for the records of a message, valid or not.
    let sequence = || JsonArrayScanner::sequence(limits, 1);
    assert_eq!(in_pieces(sequence(), text, seed), whole(sequence(), text));

    let (elements, error) = whole(JsonArrayScanner::new(limits, 1), text);
    let (same_elements, same_error) = in_pieces(JsonArrayScanner::new(limits, 1), text, seed);
    assert_eq!(same_elements, elements);
    assert_eq!(same_error, error);
    let mut end = 0;
    for (row, element) in (1..).zip(&elements) {
        let start = usize::try_from(element.start).expect("a small text");
        let between = text[end..start].iter().all(|byte| b"\xef\xbb\xbf[, \t\r\n".contains(byte));
        assert!(between, "only separators are between elements");
        end = start + element.raw.len();
        assert_eq!(element.raw, text[start..end]);
        assert_eq!(element.row, row);
        assert!(!element.raw.is_empty() && element.raw.len() <= limits.max_bytes);
    }
    check_batch(&elements, limits);
    let parsed = parse_elements(text);
    if let Some(error) = error {
        assert_eq!(error.line, elements.len() as u64 + 1);
        match error.code {
            RejectionCode::RecordTooLarge => assert!(text.len() - end > limits.max_bytes),
            RejectionCode::JsonInvalid => {
                assert!(parsed.is_none(), "{error} in a valid text");
            }
            other => panic!("the code {} cannot end a file", other.as_str()),
        }
    } else if let Some(parsed) = parsed {
        let found: Vec<Value> = elements
            .iter()
            .map(|element| serde_json::from_slice(&element.raw).expect("an element of a valid text is valid"))
            .collect();
        assert_eq!(found, parsed);
    }
});
