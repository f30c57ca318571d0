//! Records of CSV text, with strict and with loose quotes: the pieces in which a text arrives make no difference, every
//! physical line is accounted for, a batch that knows its broken lines is read alike, and the values of a text without
//! faults are those of the `csv` crate.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_domain::csv::{BrokenLine, CsvScanner, CsvSyntax, LineProblem, QuoteStyle};
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_fuzz::{controls, line_at, pieces};

#[derive(Clone, Debug, PartialEq)]
struct Record {
    line: u64,
    lines: u64,
    start: u64,
    bytes: u64,
    lead: Option<Vec<u8>>,
    raw: Vec<u8>,
    values: Vec<Vec<u8>>,
    problem: Option<LineProblem>,
}

struct Reading {
    scanner: CsvScanner,
    records: Vec<Record>,
    offset: u64,
}

impl Reading {
    fn new(scanner: CsvScanner) -> Self {
        Self { scanner, records: Vec::new(), offset: 0 }
    }

    fn read(&mut self, mut piece: &[u8], at_end: bool) {
        while let Scan::Record(consumed) = self.scanner.scan(piece, at_end).expect("CSV text has no error that ends it") {
            piece = &piece[consumed..];
            self.push_record();
        }
    }

    fn push_record(&mut self) {
        let scanner = &self.scanner;
        let start = self.offset + scanner.lead_bytes();
        self.offset = start + scanner.bytes();
        self.records.push(Record {
            line: scanner.line(),
            lines: scanner.line_count(),
            start,
            bytes: scanner.bytes(),
            lead: scanner.lead().map(<[u8]>::to_vec),
            raw: scanner.raw().to_vec(),
            values: (0..scanner.field_count()).map(|i| scanner.field(i).expect("counted").into_owned()).collect(),
            problem: scanner.problem(),
        });
    }
}

fn whole(text: &[u8], syntax: CsvSyntax) -> Vec<Record> {
    let mut reading = Reading::new(CsvScanner::new(syntax, 1));
    reading.read(text, true);
    reading.records
}

fn in_pieces(text: &[u8], syntax: CsvSyntax, seed: u8) -> Vec<Record> {
    let mut reading = Reading::new(CsvScanner::new(syntax, 1));
    for piece in pieces(text, seed) {
        reading.read(piece, false);
    }
    reading.read(b"", true);
    reading.records
}

/// The records of the whole text, read as one batch.
fn as_batch(records: &[Record], syntax: CsvSyntax) -> Option<Vec<Record>> {
    let first = records.first()?;
    let mut text = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            text.extend_from_slice(record.lead.as_ref()?);
        }
        text.extend_from_slice(&record.raw);
    }
    let broken = records.iter().filter_map(|r| Some(BrokenLine { line: r.line, problem: r.problem? })).collect();
    let mut reading = Reading::new(CsvScanner::of_batch(syntax, first.line, broken));
    reading.read(&text, true);
    Some(reading.records)
}

fn is_blank(text: &[u8], delimiter: u8) -> bool {
    let is_blank = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, 0x0b | b'"') || !byte.is_ascii();
    text.iter().all(|byte| is_blank(*byte) || *byte == delimiter)
}

/// The values that the `csv` crate finds, without blank rows.
fn parse_with_csv_crate(text: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
    // The blank line keeps the crate from dropping a byte order mark at the start.
    let text = [b"\n", text].concat();
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_slice());
    let records = reader.byte_records().map(|record| record.expect("memory can be read"));
    let records = records.map(|record| record.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
    let is_blank = |value: &Vec<u8>| value.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0x0b);
    records.filter(|values| !values.iter().all(is_blank)).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some(([seed, limits, style, row_values], text)) = controls(data) else { return };
    let limits = if limits % 2 == 0 {
        RecordLimits::default()
    } else {
        RecordLimits { max_bytes: 4 + usize::from(limits), max_lines: 1 + u64::from(limits % 5) }
    };
    let quotes = if style % 2 == 0 { QuoteStyle::Strict } else { QuoteStyle::Loose };
    let delimiter = if style % 4 < 2 { b',' } else { b';' };
    let row_values = 1 + usize::from(row_values % 8);
    let syntax =
        CsvSyntax { delimiter, quotes, limits, values: (0, row_values), row_values, is_title: |cell| cell == "ID" };
    let records = whole(text, syntax);
    assert_eq!(in_pieces(text, syntax, seed), records);
    let mut end = 0;
    for record in &records {
        let start = usize::try_from(record.start).expect("a small text");
        let is_title = |line: &[u8]| line.windows(2).any(|word| word == b"ID");
        assert!(is_blank(&text[end..start], delimiter) || is_title(&text[end..start]), "only blank rows are between records");
        end = start + usize::try_from(record.bytes).expect("a small text");
        assert_eq!(record.line, line_at(text, start));
        // The last line of the text may have no end.
        let is_ended = matches!(text[..end].last(), Some(b'\n' | b'\r'));
        assert_eq!(record.lines, line_at(text, end) + u64::from(!is_ended) - record.line);
        match record.problem {
            Some(LineProblem::TooLarge) => {}
            _ => assert_eq!(record.raw, text[start..end]),
        }
        assert!(record.raw.len() <= limits.max_bytes.max(2));
        assert!(record.problem.is_none() || record.lines == 1, "a fault costs one line");
    }
    if let Some(again) = as_batch(&records, syntax) {
        let essence =
            |all: &[Record]| all.iter().map(|r| (r.line, r.lines, r.raw.clone(), r.values.clone(), r.problem)).collect::<Vec<_>>();
        assert_eq!(essence(&again), essence(&records));
    }
    let is_plain = limits.max_bytes > text.len() && !text.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'=' | 0x80..));
    let has_row_inside = records.iter().any(|record| record.lines > 1);
    if quotes == QuoteStyle::Strict && is_plain && !has_row_inside && records.iter().all(|record| record.problem.is_none()) {
        let found: Vec<_> = records.into_iter().map(|record| record.values).collect();
        if !text.windows(2).any(|word| word == b"ID") {
            assert_eq!(found, parse_with_csv_crate(text, delimiter));
        }
    }
});
