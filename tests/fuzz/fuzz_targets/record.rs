//! Records: the pieces in which a text arrives make no difference, records are contiguous, lines are those
//! of a simple count, and values are those of the `csv` crate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_domain::RejectionCode;
use muster_domain::scanner::{RecordError, RecordLimits, Scan, Scanner};
use muster_domain::strict_csv::StrictCsvScanner;
use muster_fuzz::{controls, line_at, pieces};

#[derive(Debug, PartialEq)]
struct Record {
    line: u64,
    start: u64,
    raw: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

struct Reading {
    scanner: StrictCsvScanner,
    records: Vec<Record>,
    offset: u64,
}

impl Reading {
    fn new(delimiter: u8, limits: RecordLimits) -> Self {
        Self { scanner: StrictCsvScanner::new(delimiter, limits, 1), records: Vec::new(), offset: 0 }
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
        let fields = (0..scanner.field_count()).map(|i| scanner.field(i).expect("counted").to_vec()).collect();
        let raw = scanner.raw().to_vec();
        self.offset = start + raw.len() as u64;
        self.records.push(Record { line: scanner.line(), start, raw, fields });
    }
}

fn whole(text: &[u8], delimiter: u8, limits: RecordLimits) -> (Vec<Record>, Option<RecordError>) {
    let mut reading = Reading::new(delimiter, limits);
    let error = reading.read(text, true).err();
    (reading.records, error)
}

fn in_pieces(text: &[u8], delimiter: u8, limits: RecordLimits, seed: u8) -> (Vec<Record>, Option<RecordError>) {
    let mut reading = Reading::new(delimiter, limits);
    let reads = pieces(text, seed).into_iter().try_for_each(|piece| reading.read(piece, false));
    let error = reads.and_then(|()| reading.read(b"", true)).err();
    (reading.records, error)
}

/// The values that the `csv` crate finds, without blank lines.
fn parse_with_csv_crate(text: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
    // The blank line keeps the crate from dropping a byte order mark at the start.
    let text = [b"\n", text].concat();
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_slice());
    let mut records = Vec::new();
    let mut record = csv::ByteRecord::new();
    let mut start = 0;
    while reader.read_byte_record(&mut record).expect("memory can be read") {
        let end = usize::try_from(reader.position().byte()).expect("a small text");
        let blank = record.len() == 1 && record[0].iter().all(u8::is_ascii_whitespace);
        if !(blank && !text[start..end].contains(&b'"')) {
            records.push(record.iter().map(<[u8]>::to_vec).collect());
        }
        start = end;
    }
    records
}

fuzz_target!(|data: &[u8]| {
    let Some(([seed, limits, delimiter], text)) = controls(data) else { return };
    let limits = if limits % 2 == 0 {
        RecordLimits::default()
    } else {
        RecordLimits { max_bytes: 4 + usize::from(limits), max_lines: 1 + u64::from(limits % 5) }
    };
    let delimiter = if delimiter % 4 == 3 { b';' } else { b',' };
    let (records, error) = whole(text, delimiter, limits);
    let (same_records, same_error) = in_pieces(text, delimiter, limits, seed);
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
    }
    if let Some(error) = &error {
        // The error describes the rest of the text correctly.
        let rest = &text[end..];
        let lines = line_at(rest, rest.len()) - 1;
        match error.code {
            RejectionCode::RecordTooLarge => assert!(rest.len() > limits.max_bytes),
            RejectionCode::RecordTooManyLines => assert!(lines > limits.max_lines),
            RejectionCode::QuoteUnclosed => assert!(rest.contains(&b'"')),
            other => panic!("the code {} cannot end a file", other.as_str()),
        }
    } else {
        assert!(text[end..].iter().all(u8::is_ascii_whitespace), "only white space is left");
        let fields: Vec<_> = records.into_iter().map(|record| record.fields).collect();
        assert_eq!(fields, parse_with_csv_crate(text, delimiter));
    }
});
