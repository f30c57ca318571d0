use proptest::prelude::*;

use super::*;
use crate::record::RecordScanner;

const LIMITS: RecordLimits = RecordLimits { max_bytes: 200, max_lines: 3 };

type Found = (u64, Vec<String>, String);

fn records(text: &[u8], piece: usize) -> (Vec<Found>, Option<RecordError>, u64) {
    let mut scanner = LooseScanner::new(b';', LIMITS, 1);
    let (mut found, mut offset, mut rest) = (Vec::new(), 0, text);
    loop {
        let input = &rest[..piece.min(rest.len())];
        let at_end = input.len() == rest.len();
        rest = &rest[input.len()..];
        let mut input = input;
        loop {
            match scanner.scan(input, at_end) {
                Ok(Scan::Record(used)) => input = &input[used..],
                Ok(Scan::NeedInput) => break,
                Ok(Scan::End) => return (found, None, offset),
                Err(error) => return (found, Some(error), offset),
            }
            offset += scanner.lead_bytes() + scanner.raw().len() as u64;
            let cells = (0..scanner.field_count()).filter_map(|index| scanner.field(index));
            let cells = cells.map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect();
            found.push((scanner.line(), cells, String::from_utf8_lossy(scanner.raw()).into_owned()));
        }
    }
}

fn cells(text: &str) -> Vec<Vec<String>> {
    records(text.as_bytes(), usize::MAX).0.into_iter().map(|(_, cells, _)| cells).collect()
}

#[test]
fn quotes_count_only_around_a_whole_cell() {
    for (line, expected) in [
        ("a;b;", vec!["a", "b", ""]),
        (r#"a; "Minsky" Department ;b"#, vec!["a", r#" "Minsky" Department "#, "b"]),
        (r#"a;"Kievsky" Department;b"#, vec!["a", r#""Kievsky" Department"#, "b"]),
        (r#"a;5" disk;b"#, vec!["a", r#"5" disk"#, "b"]),
        (r#"a;"b;c";d"#, vec!["a", "b;c", "d"]),
        (r#""say ""hi""";b"#, vec![r#"say "hi""#, "b"]),
        (r#"a;"""#, vec!["a", ""]),
        (r#"a;""""#, vec!["a", r#"""""#]),
        (r#"a;"never closed;b"#, vec!["a", r#""never closed"#, "b"]),
        ("\"two\nlines\";b", vec!["two\nlines", "b"]),
    ] {
        assert_eq!(cells(line), [expected], "{line}");
    }
}

#[test]
fn a_quote_that_nobody_closes_swallows_nothing() {
    let found = cells("a;\"b\nc;d\ne;f\ng;h\ni;\"j\"\n");
    assert_eq!(found.len(), 5);
    assert_eq!(found[0], ["a", "\"b"]);
    let beyond_the_lines = cells("a;\"b\n1\n2\n3\n4\";x\nlast;x\n");
    assert_eq!(beyond_the_lines.last().map(Vec::len), Some(2));
}

#[test]
fn every_line_end_ends_a_record_and_is_counted() {
    let (found, error, offset) = records(b"\r\n \na;1\rb;2\r\n\n\"x\ny\";3\nc;4", usize::MAX);
    let lines: Vec<_> = found.iter().map(|(line, cells, _)| (*line, cells[0].as_str())).collect();
    assert_eq!(lines, [(3, "a"), (4, "b"), (6, "x\ny"), (8, "c")]);
    assert_eq!((error, offset), (None, 25));
}

#[test]
fn a_record_that_is_too_large_is_named_by_its_line() {
    let text = format!("a;b\n{};\nc;d\n", "x".repeat(300));
    for piece in [1, 7, usize::MAX] {
        let (found, error, _) = records(text.as_bytes(), piece);
        assert_eq!(found.len(), 1);
        let error = error.unwrap();
        assert_eq!((error.line, error.code), (2, RejectionCode::RecordTooLarge));
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(text in "[a\"; \r\n]{0,120}", piece in 1_usize..9) {
        prop_assert_eq!(records(text.as_bytes(), piece), records(text.as_bytes(), usize::MAX));
    }

    #[test]
    fn without_quotes_the_records_are_those_of_the_strict_scanner(text in "[ab; \r\n]{0,120}") {
        let mut strict = RecordScanner::new(b';', LIMITS, 1);
        let (mut rest, mut expected) = (text.as_bytes(), Vec::new());
        while let Ok(Scan::Record(used)) = strict.scan(rest, true) {
            rest = &rest[used..];
            let cells = (0..strict.field_count()).filter_map(|index| strict.field(index));
            let cells: Vec<String> = cells.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
            expected.push((strict.line(), cells));
        }
        let found = records(text.as_bytes(), usize::MAX).0;
        let found: Vec<_> = found.into_iter().map(|(line, cells, _)| (line, cells)).collect();
        prop_assert_eq!(found, expected);
    }
}
