//! Quotes are syntax only around a whole cell, and never make a file unreadable.

use super::*;
use crate::strict_csv::StrictCsvScanner;
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
struct Record {
    line: u64,
    lead_bytes: u64,
    lead: Option<Vec<u8>>,
    raw: Vec<u8>,
    values: Vec<String>,
}

type Records = (Vec<Record>, Option<RecordError>);

const SMALL: RecordLimits = RecordLimits { max_bytes: 12, max_lines: 2 };

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn record(scanner: &LooseCsvScanner) -> Record {
    Record {
        line: scanner.line(),
        lead_bytes: scanner.lead_bytes(),
        lead: scanner.lead().map(<[u8]>::to_vec),
        raw: scanner.raw().to_vec(),
        values: (0..scanner.field_count()).map(|i| lossy(&scanner.field(i).unwrap())).collect(),
    }
}

/// Reads each piece to its end before feeding the next one. The end of the stream is passed with the last piece, or
/// in a separate call after it.
fn records_in_pieces(text: &[u8], piece: usize, limits: RecordLimits, end_separately: bool) -> Records {
    let mut scanner = LooseCsvScanner::new(b';', limits, 1);
    let mut found = Vec::new();
    let mut pieces: Vec<&[u8]> = text.chunks(piece.max(1)).collect();
    if end_separately || pieces.is_empty() {
        pieces.push(b"");
    }
    let last = pieces.len() - 1;
    for (index, mut input) in pieces.into_iter().enumerate() {
        loop {
            match scanner.scan(input, index == last) {
                Ok(Scan::Record(consumed)) => {
                    assert_eq!(consumed, input.len(), "all of the input is consumed");
                    input = b"";
                    found.push(record(&scanner));
                }
                Ok(Scan::NeedInput | Scan::End) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fn records(text: &str, limits: RecordLimits) -> Records {
    let whole = records_in_pieces(text.as_bytes(), text.len(), limits, false);
    for piece in [1, 2, 3, 7, 4096] {
        for end_separately in [false, true] {
            let found = records_in_pieces(text.as_bytes(), piece, limits, end_separately);
            assert_eq!(found, whole, "{text:?} in pieces of {piece}");
        }
    }
    whole
}

fn check_limited(text: &str, limits: RecordLimits, expected: &[(u64, &[&str])]) {
    let (found, error) = records(text, limits);
    assert_eq!(error, None, "{text:?}");
    let found: Vec<(u64, Vec<&str>)> =
        found.iter().map(|r| (r.line, r.values.iter().map(String::as_str).collect())).collect();
    let expected: Vec<(u64, Vec<&str>)> = expected.iter().map(|(line, values)| (*line, values.to_vec())).collect();
    assert_eq!(found, expected, "{text:?}");
}

fn check(text: &str, expected: &[(u64, &[&str])]) {
    check_limited(text, RecordLimits::default(), expected);
}

#[test]
fn a_record_ends_at_any_kind_of_line_end() {
    check("a;b\nc;d\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    check("a;b\r\nc;d\r\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    check("a;b\rc;d", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    check("a\r\nb\nc\rd", &[(1, &["a"]), (2, &["b"]), (3, &["c"]), (4, &["d"])]);
    check("a;\n;b\n;\n;", &[(1, &["a", ""]), (2, &["", "b"]), (3, &["", ""]), (4, &["", ""])]);
    check(" a ;\tb \n", &[(1, &[" a ", "\tb "])]);
}

#[test]
fn blank_lines_are_skipped_but_counted() {
    check("\n\r\na\n\n  \n \t\r\nb\n\n", &[(3, &["a"]), (7, &["b"])]);
    check("a\n\"\"\nb", &[(1, &["a"]), (2, &[""]), (3, &["b"])]);
    check("\r\r\n\ra", &[(4, &["a"])]);
    check("\n \n", &[]);
    check(" ", &[]);
    check("", &[]);
}

#[test]
fn a_record_includes_its_line_end_and_a_lead_its_blank_lines() {
    let (found, _) = records(" \r\na;b\r\n\n\nc\rd", RecordLimits::default());
    let found: Vec<_> = found.iter().map(|r| (r.lead.as_ref().map(|l| lossy(l)).unwrap(), lossy(&r.raw))).collect();
    let expected = [(" \r\n", "a;b\r\n"), ("\n\n", "c\r"), ("", "d")];
    assert_eq!(found, expected.map(|(lead, raw)| (lead.to_owned(), raw.to_owned())));
}

#[test]
fn a_quoted_cell_is_data_up_to_its_closing_quote() {
    check("\"a;b\";c\n", &[(1, &["a;b", "c"])]);
    check("\"a\"", &[(1, &["a"])]);
    check("a;\"x\r\ny\nz\rw\"\r\nb;c\n", &[(1, &["a", "x\r\ny\nz\rw"]), (5, &["b", "c"])]);
    check("\"a \"\"b\"\"\";\"\"\"\";\"\"\n", &[(1, &["a \"b\"", "\"", ""])]);
    check("\"\"\"a\"\"\"\r\"b\"\rc", &[(1, &["\"a\""]), (2, &["b"]), (3, &["c"])]);
    check("\" \"\n", &[(1, &[" "])]);
}

#[test]
fn any_other_quote_is_an_ordinary_character() {
    for (cell, rest) in [
        (" \"Minsky\" Department ", "Employee"),
        ("\"Kievsky\" Department", "Manager"),
        ("5\" disk", "\"5\"\" disk"),
        ("\"a\" ", "b"),
        (" \"a\"", "b"),
        ("a\"", "b\""),
        ("\"a\"b\"", "c"),
        ("\"a", "b\" c"),
        ("\"a\"\"b", "c"),
        ("\"\"\"", "a"),
        ("\"\"a", "b"),
    ] {
        check(&format!("{cell};{rest}\nx;y\n"), &[(1, &[cell, rest]), (2, &["x", "y"])]);
    }
    check("a;\"", &[(1, &["a", "\""])]);
    check("\"a\nb\" c\n", &[(1, &["\"a"]), (2, &["b\" c"])]);
}

#[test]
fn the_sample_file_of_collaborator_is_read() {
    let titles = "ID;Last name;First name;Middle name;Department;Position";
    let minsk = "demo1;Dickens;Charles;; \"Minsky\" Department ;Employee";
    let kiev = "demo4;Dostoyevski;Fedor;Nikolaevich;\"Kievsky\" Department;Employee";
    let text = format!("{titles}\r\n{minsk}\r\n{kiev}\r\n");
    let rows = [titles, minsk, kiev].map(|line| line.split(';').collect::<Vec<_>>());
    check(&text, &[(1, &rows[0]), (2, &rows[1]), (3, &rows[2])]);
}

#[test]
fn an_unclosed_quote_swallows_nothing() {
    let filler = "x;y\n".repeat(10_000);
    for (text, limits) in [
        (format!("a;b\nc;\"d\n{filler}"), RecordLimits::default()),
        (format!("a;b\nc;\"d\n{filler}e;f\"\n"), RecordLimits::default()),
        (format!("a;b\nc;\"d\n{filler}e;f\"\n"), RecordLimits { max_bytes: 100, max_lines: 1_000_000 }),
    ] {
        let (found, error) = records_in_pieces(text.as_bytes(), 1000, limits, true);
        assert_eq!((found.len() as u64, error), (text.lines().count() as u64, None));
        assert_eq!(found[1].values, ["c", "\"d"]);
        assert_eq!(found.last().unwrap().line, found.len() as u64);
    }
}

#[test]
fn a_closing_quote_counts_only_within_the_limits_of_its_record() {
    let lines = |max_lines| RecordLimits { max_lines, ..RecordLimits::default() };
    check_limited("\"a\nb\";c\n", lines(2), &[(1, &["a\nb", "c"])]);
    check_limited("\"a\r\nb\";c\n", lines(2), &[(1, &["a\r\nb", "c"])]);
    check_limited("\"a\nb\";c\n", lines(1), &[(1, &["\"a"]), (2, &["b\"", "c"])]);
    // The lines of earlier quoted cells count; those of cells that turn out not to be quoted do not.
    check_limited("\"a\nb\";\"c\nd\"\n", lines(2), &[(1, &["a\nb", "\"c"]), (3, &["d\""])]);
    check_limited("\"a\nb\" ;\"c\nd\"\n", lines(2), &[(1, &["\"a"]), (2, &["b\" ", "c\nd"])]);
    let bytes = |max_bytes| RecordLimits { max_bytes, ..RecordLimits::default() };
    check_limited("\"a\nb\"\nc", bytes(6), &[(1, &["a\nb"]), (3, &["c"])]);
    check_limited("\"a\nb\"\nc", bytes(4), &[(1, &["\"a"]), (2, &["b\""]), (3, &["c"])]);
    check_limited("\"a\nb\"\"\"\nc", bytes(5), &[(1, &["\"a"]), (2, &["b\"\"\""]), (3, &["c"])]);
}

#[test]
fn a_record_over_the_limit_ends_the_file_at_its_line() {
    let limits = RecordLimits { max_bytes: 100, max_lines: 4 };
    for cell in ["x".repeat(100), "\"".repeat(101), ";".repeat(5000), " ".repeat(101), format!("{}\r", "x".repeat(99))]
    {
        let (found, error) = records(&format!("a\n{cell}\nb\n"), limits);
        assert_eq!(found.len(), 1);
        let error = error.unwrap();
        assert_eq!((error.line, error.code), (2, RejectionCode::RecordTooLarge));
        assert_eq!(error.to_string(), "line 2: the record is larger than 100 bytes");
    }
    assert_eq!(records(&format!("{}\n{}", "x".repeat(99), "y".repeat(100)), limits).1, None);
}

#[test]
fn endless_blank_lines_are_counted_but_not_kept() {
    let mut scanner = LooseCsvScanner::new(b';', RecordLimits::default(), 1);
    for blank in [b"\n".repeat(1000), b" \t\r\n".repeat(1000)] {
        for _ in 0..1000 {
            assert_eq!(scanner.scan(&blank, false), Ok(Scan::NeedInput));
        }
    }
    assert_eq!(scanner.scan(b"a;b\n", false), Ok(Scan::Record(4)));
    assert_eq!((scanner.line(), scanner.lead(), scanner.lead_bytes()), (2_000_001, None, 5_000_000));
    assert!(scanner.lead.capacity() < 10_000 && scanner.buffer.capacity() < 200_000);
}

#[test]
fn consumed_text_is_removed_while_records_are_left() {
    let mut scanner = LooseCsvScanner::new(b';', RecordLimits::default(), 1);
    let line = "a;b;c\n".repeat(3);
    let mut rows = 0;
    for _ in 0..100_000 {
        assert!(matches!(scanner.scan(line.as_bytes(), false), Ok(Scan::Record(18))));
        assert_eq!(scanner.scan(b"", false), Ok(Scan::Record(0)));
        rows += 2;
        // One record always remains, so that the buffer is never empty.
        if rows > 2 {
            assert_eq!(scanner.scan(b"", false), Ok(Scan::Record(0)));
            rows += 1;
        }
    }
    assert_eq!(scanner.line(), rows);
    assert!(scanner.buffer.capacity() < 500_000);
}

#[test]
fn many_quotes_take_no_longer_than_other_text() {
    let limits = RecordLimits { max_bytes: 1 << 20, max_lines: 1 << 20 };
    for unit in ["\";\"\"", "\"x;", "\"\";\"", "\"\n", "\";", "\"\"\"x;"] {
        let text = unit.repeat(200_000);
        let (_, error) = records_in_pieces(text.as_bytes(), text.len(), limits, false);
        assert_eq!(error, None);
        let start = unit.repeat(2000);
        records_in_pieces(start.as_bytes(), 1, limits, true);
    }
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_the_pieces(text in "[ab;\"\r\n ]{0,80}", piece in 1_usize..20, end_separately: bool) {
        for limits in [RecordLimits::default(), SMALL] {
            prop_assert_eq!(
                records_in_pieces(text.as_bytes(), piece, limits, end_separately),
                records_in_pieces(text.as_bytes(), usize::MAX, limits, false)
            );
        }
    }

    #[test]
    fn the_concatenated_leads_and_records_are_the_text(text in "[a;\"\r\n ]{0,60}", piece in 1_usize..20) {
        let (found, error) = records_in_pieces(text.as_bytes(), piece, RecordLimits::default(), true);
        prop_assert_eq!(error, None);
        let mut joined = Vec::new();
        for record in found {
            let lead = record.lead.unwrap();
            prop_assert_eq!(lead.len() as u64, record.lead_bytes);
            joined.extend_from_slice(&lead);
            joined.extend_from_slice(&record.raw);
        }
        prop_assert!(text.as_bytes().starts_with(&joined));
        let left = &text.as_bytes()[joined.len()..];
        prop_assert!(left.iter().all(u8::is_ascii_whitespace), "lost {:?}", lossy(left));
    }

    #[test]
    fn text_without_quotes_is_read_as_by_the_strict_scanner(text in "[ab;\r\n\t ]{0,80}", piece in 1_usize..20) {
        let (found, error) = records_in_pieces(text.as_bytes(), piece, RecordLimits::default(), true);
        prop_assert_eq!(error, None);
        let mut strict = StrictCsvScanner::new(b';', RecordLimits::default(), 1);
        let mut rest = text.as_bytes();
        let mut expected = Vec::new();
        while let Scan::Record(consumed) = strict.scan(rest, true).unwrap() {
            rest = &rest[consumed..];
            let values: Vec<_> = (0..strict.field_count()).map(|i| lossy(strict.field(i).unwrap())).collect();
            expected.push((strict.line(), values));
        }
        let found: Vec<_> = found.into_iter().map(|record| (record.line, record.values)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_batch_of_some_records_is_read_as_the_same_records(
        text in "[a;\"\r\n ]{0,80}",
        first in 0_usize..10,
        count in 1_usize..10,
    ) {
        for limits in [RecordLimits::default(), SMALL] {
            let (found, _) = records_in_pieces(text.as_bytes(), usize::MAX, limits, false);
            let part: Vec<_> = found.into_iter().skip(first).take(count).collect();
            let mut joined = Vec::new();
            for (index, record) in part.iter().enumerate() {
                if index > 0 {
                    joined.extend_from_slice(record.lead.as_ref().unwrap());
                }
                joined.extend_from_slice(&record.raw);
            }
            let (again, error) = records_in_pieces(&joined, usize::MAX, limits, false);
            prop_assert_eq!(error, None);
            let pairs = |records: &[Record]| records.iter().map(|r| (r.raw.clone(), r.values.clone())).collect::<Vec<_>>();
            prop_assert_eq!(pairs(&again), pairs(&part));
        }
    }
}
