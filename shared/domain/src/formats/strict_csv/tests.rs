//! The concatenated records are the input, regardless of the pieces in which it was fed.

use super::*;
use proptest::prelude::*;

/// (line, values) of each record, and the line and code of the error, if there is one.
type Records = (Vec<(u64, Vec<String>)>, Option<(u64, RejectionCode)>);

fn records_in_pieces(text: &[u8], piece: usize, limits: RecordLimits) -> Records {
    let mut scanner = StrictCsvScanner::new(b',', limits, 1);
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let input = &rest[..piece.min(rest.len())];
        let at_end = input.len() == rest.len();
        match scanner.scan(input, at_end) {
            Ok(Scan::NeedInput) => rest = &rest[input.len()..],
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                let values = (0..scanner.field_count())
                    .map(|i| String::from_utf8_lossy(scanner.field(i).unwrap()).into_owned())
                    .collect();
                found.push((scanner.line(), values));
            }
            Ok(Scan::End) => return (found, None),
            Err(error) => return (found, Some((error.line, error.code))),
        }
    }
}

fn check(text: &str, expected: &[(u64, &[&str])]) {
    for piece in [1, 2, 3, 7, 4096] {
        let (found, error) = records_in_pieces(text.as_bytes(), piece, RecordLimits::default());
        assert_eq!(error, None, "{text:?} in pieces of {piece}");
        let found: Vec<(u64, Vec<&str>)> =
            found.iter().map(|(line, values)| (*line, values.iter().map(String::as_str).collect())).collect();
        let expected: Vec<(u64, Vec<&str>)> = expected.iter().map(|(line, values)| (*line, values.to_vec())).collect();
        assert_eq!(found, expected, "{text:?} in pieces of {piece}");
    }
}

#[test]
fn a_record_ends_at_any_kind_of_line_end() {
    check("a,b\nc,d\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    check("a,b\r\nc,d\r\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    check("a,b\rc,d", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    check("a\r\nb\nc\rd", &[(1, &["a"]), (2, &["b"]), (3, &["c"]), (4, &["d"])]);
}

#[test]
fn blank_lines_are_skipped_but_counted() {
    check("\n\r\na\n\n  \n \t\r\nb\n\n", &[(3, &["a"]), (7, &["b"])]);
    check("a\n\"\"\nb", &[(1, &["a"]), (2, &[""]), (3, &["b"])]);
    check("\n \n", &[]);
    check("", &[]);
}

#[test]
fn a_quoted_line_end_belongs_to_its_value_and_counts_as_a_line() {
    check("a,\"x\r\ny\nz\"\nb,c\n", &[(1, &["a", "x\r\ny\nz"]), (4, &["b", "c"])]);
    check("\"a \"\"b\"\"\",c", &[(1, &["a \"b\"", "c"])]);
}

#[test]
fn an_unclosed_quote_ends_the_file_at_its_line() {
    let limits = RecordLimits { max_bytes: 100, max_lines: 4 };
    let filler = "x,y\n".repeat(10_000);
    for (text, line) in [(format!("a,b\nc,\"d\n{filler}"), 2), ("a,b\nc,\"d\ne,f\n".to_owned(), 2)] {
        for piece in [1, 5, 4096] {
            let (found, error) = records_in_pieces(text.as_bytes(), piece, limits);
            assert_eq!(found.len(), 1);
            assert_eq!(error, Some((line, RejectionCode::QuoteUnclosed)), "pieces of {piece}");
        }
    }
}

#[test]
fn a_record_over_a_limit_ends_the_file_at_its_line() {
    let limits = RecordLimits { max_bytes: 100, max_lines: 4 };
    let long = format!("a\n{}\n", "x".repeat(101));
    let many_lines = "a\n\"1\n2\n3\n4\n5\"\nb\n";
    for piece in [1, 16, 4096] {
        assert_eq!(records_in_pieces(long.as_bytes(), piece, limits).1, Some((2, RejectionCode::RecordTooLarge)));
        let (_, error) = records_in_pieces(many_lines.as_bytes(), piece, limits);
        let (line, code) = error.unwrap();
        assert_eq!(line, 2);
        assert!(matches!(code, RejectionCode::RecordTooManyLines | RejectionCode::QuoteUnclosed));
    }
}

#[test]
fn endless_blank_lines_are_counted_but_not_kept() {
    let mut scanner = StrictCsvScanner::new(b',', RecordLimits::default(), 1);
    for blank in [b"\n".repeat(1000), b" \t\r\n".repeat(1000)] {
        for _ in 0..1000 {
            assert_eq!(scanner.scan(&blank, false), Ok(Scan::NeedInput));
        }
    }
    assert_eq!(scanner.scan(b"a,b\n", false), Ok(Scan::Record(4)));
    assert_eq!((scanner.line(), scanner.lead(), scanner.lead_bytes()), (2_000_001, None, 5_000_000));
    assert!(scanner.lead.capacity() < 10_000 && scanner.record.capacity() < 10_000);
}

#[test]
fn quotes_are_checked_by_rfc_4180() {
    for (record, expected) in [
        ("a,b\n", Quotes::WellFormed),
        ("\"a\",\"b\"\r\n", Quotes::WellFormed),
        ("\"a \"\"b\"\"\",c", Quotes::WellFormed),
        ("a\"b,c", Quotes::Misplaced),
        ("\"a\"b,c", Quotes::Misplaced),
        ("\"a\" ,c", Quotes::Misplaced),
        ("a, \"b\"", Quotes::Misplaced),
        ("5\" disk", Quotes::Misplaced),
        ("a,\"b", Quotes::Unclosed),
        ("a,\"b\"\"", Quotes::Unclosed),
    ] {
        assert_eq!(check_quotes(record.as_bytes(), b','), expected, "{record:?}");
    }
}

proptest! {
    #[test]
    fn the_concatenated_raw_records_are_the_input(text in "[a,\"\r\n ]{0,60}", piece in 1_usize..20) {
        let mut scanner = StrictCsvScanner::new(b',', RecordLimits::default(), 1);
        let mut joined = Vec::new();
        let mut rest = text.as_bytes();
        loop {
            let input = &rest[..piece.min(rest.len())];
            match scanner.scan(input, input.len() == rest.len()) {
                Ok(Scan::NeedInput) => rest = &rest[input.len()..],
                Ok(Scan::Record(consumed)) => {
                    rest = &rest[consumed..];
                    joined.extend_from_slice(scanner.lead().unwrap());
                    joined.extend_from_slice(scanner.raw());
                }
                Ok(Scan::End) | Err(_) => break,
            }
        }
        prop_assert!(text.as_bytes().starts_with(&joined));
        let left = &text.as_bytes()[joined.len()..];
        let blank = left.iter().all(|b| matches!(b, b'\r' | b'\n' | b' '));
        prop_assert!(blank || left.contains(&b'"'), "lost {:?}", String::from_utf8_lossy(left));
    }

    #[test]
    fn the_result_does_not_depend_on_the_pieces(text in "[ab,\"\r\n ]{0,80}", piece in 1_usize..20) {
        for limits in [RecordLimits::default(), RecordLimits { max_bytes: 12, max_lines: 2 }] {
            prop_assert_eq!(
                records_in_pieces(text.as_bytes(), piece, limits),
                records_in_pieces(text.as_bytes(), usize::MAX, limits)
            );
        }
    }
}
