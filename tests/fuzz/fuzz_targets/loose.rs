//! Loose records: the pieces in which a text arrives make no difference, records are contiguous, lines are
//! those of a simple count, values are those of a simple parser, and no quote ends a file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_domain::RejectionCode;
use muster_domain::loose_csv::LooseCsvScanner;
use muster_domain::scanner::{RecordError, RecordLimits, Scan, Scanner};
use muster_domain::strict_csv::StrictCsvScanner;
use muster_fuzz::{controls, line_at, pieces};

const DELIMITER: u8 = b';';

#[derive(Debug, PartialEq)]
struct Record {
    line: u64,
    start: u64,
    raw: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

struct Reading {
    scanner: LooseCsvScanner,
    records: Vec<Record>,
    offset: u64,
}

impl Reading {
    fn new(limits: RecordLimits) -> Self {
        Self { scanner: LooseCsvScanner::new(DELIMITER, limits, 1), records: Vec::new(), offset: 0 }
    }

    fn read(&mut self, mut piece: &[u8], at_end: bool) -> Result<(), RecordError> {
        while let Scan::Record(consumed) = self.scanner.scan(piece, at_end)? {
            piece = &piece[consumed..];
            self.push_record();
        }
        Ok(())
    }

    fn push_record(&mut self) {
        let scanner = &self.scanner;
        let start = self.offset + scanner.lead_bytes();
        if let Some(lead) = scanner.lead() {
            assert_eq!(lead.len() as u64, scanner.lead_bytes());
        }
        let fields = (0..scanner.field_count()).map(|i| scanner.field(i).expect("counted").into_owned()).collect();
        let raw = scanner.raw().to_vec();
        self.offset = start + raw.len() as u64;
        self.records.push(Record { line: scanner.line(), start, raw, fields });
    }
}

fn whole(text: &[u8], limits: RecordLimits) -> (Vec<Record>, Option<RecordError>) {
    let mut reading = Reading::new(limits);
    let error = reading.read(text, true).err();
    (reading.records, error)
}

fn in_pieces(text: &[u8], limits: RecordLimits, seed: u8) -> (Vec<Record>, Option<RecordError>) {
    let mut reading = Reading::new(limits);
    let reads = pieces(text, seed).into_iter().try_for_each(|piece| reading.read(piece, false));
    let error = reads.and_then(|()| reading.read(b"", true)).err();
    (reading.records, error)
}

/// The values of a record, by a simple parser that may backtrack.
fn naive_fields(raw: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = raw;
    loop {
        let (field, length) = quoted(rest).unwrap_or_else(|| {
            let length = rest.iter().take_while(|b| !matches!(**b, DELIMITER | b'\r' | b'\n')).count();
            (rest[..length].to_vec(), length)
        });
        fields.push(field);
        if rest.get(length) != Some(&DELIMITER) {
            let end = &rest[length..];
            assert!(matches!(end, b"" | b"\r" | b"\n" | b"\r\n"), "a record ends with its last value");
            return fields;
        }
        rest = &rest[length + 1..];
    }
}

/// The value of a quoted cell and the length of the cell, or `None` if the cell is not quoted.
fn quoted(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut field = Vec::new();
    let mut position = 1;
    if rest.first() != Some(&b'"') {
        return None;
    }
    loop {
        match (*rest.get(position)?, rest.get(position + 1)) {
            (b'"', Some(b'"')) => position += 1,
            (b'"', None | Some(&DELIMITER | b'\r' | b'\n')) => return Some((field, position + 1)),
            (b'"', Some(_)) => return None,
            _ => {}
        }
        field.push(rest[position]);
        position += 1;
    }
}

/// The lines and values that the strict scanner finds.
fn scan_strictly(text: &[u8]) -> Vec<(u64, Vec<Vec<u8>>)> {
    let mut scanner = StrictCsvScanner::new(DELIMITER, RecordLimits::default(), 1);
    let mut rest = text;
    let mut records = Vec::new();
    while let Scan::Record(consumed) = scanner.scan(rest, true).expect("a text without quotes is valid") {
        rest = &rest[consumed..];
        let fields = (0..scanner.field_count()).map(|i| scanner.field(i).expect("counted").to_vec()).collect();
        records.push((scanner.line(), fields));
    }
    records
}

fuzz_target!(|data: &[u8]| {
    let Some(([seed, limits], text)) = controls(data) else { return };
    let tight = limits % 2 == 1;
    let limits = if tight {
        RecordLimits { max_bytes: 4 + usize::from(limits), max_lines: 1 + u64::from(limits % 5) }
    } else {
        RecordLimits::default()
    };
    let (records, error) = whole(text, limits);
    let (same_records, same_error) = in_pieces(text, limits, seed);
    assert_eq!(same_records, records);
    assert_eq!(same_error, error);
    let mut end = 0;
    for record in &records {
        let start = usize::try_from(record.start).expect("a small text");
        assert!(text[end..start].iter().all(u8::is_ascii_whitespace), "only white space is between records");
        end = start + record.raw.len();
        assert_eq!(record.raw, text[start..end]);
        assert_eq!(record.line, line_at(text, start));
        assert!(record.raw.len() <= limits.max_bytes);
        assert!(line_at(&record.raw, record.raw.len()) - 1 <= limits.max_lines);
        assert_eq!(record.fields, naive_fields(&record.raw));
    }
    if let Some(error) = error {
        assert_eq!(error.code, RejectionCode::RecordTooLarge);
        assert!(text.len() - end > limits.max_bytes);
    } else {
        assert!(text[end..].iter().all(u8::is_ascii_whitespace), "only white space is left");
        if !tight && !text.contains(&b'"') {
            let found: Vec<_> = records.into_iter().map(|record| (record.line, record.fields)).collect();
            assert_eq!(found, scan_strictly(text));
        }
    }
});
