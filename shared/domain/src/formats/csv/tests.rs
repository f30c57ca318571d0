//! The records and broken lines of a text depend only on the text, and every physical line is accounted for.

use super::*;
use proptest::prelude::*;

/// A record, or a line from which none could be read.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    line: u64,
    lines: u64,
    lead_bytes: u64,
    lead: Option<Vec<u8>>,
    bytes: u64,
    raw: Vec<u8>,
    values: Vec<String>,
    problem: Option<LineProblem>,
}

const SMALL: RecordLimits = RecordLimits { max_bytes: 12, max_lines: 2 };

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn found(scanner: &CsvScanner) -> Found {
    Found {
        line: scanner.line(),
        lines: scanner.line_count(),
        lead_bytes: scanner.lead_bytes(),
        lead: scanner.lead().map(<[u8]>::to_vec),
        bytes: scanner.bytes(),
        raw: scanner.raw().to_vec(),
        values: (0..scanner.field_count()).map(|i| lossy(&scanner.field(i).unwrap())).collect(),
        problem: scanner.problem(),
    }
}

/// Reads each piece to its end before feeding the next one. The end of the stream is passed with the last piece, or
/// in a separate call after it.
fn scan_in_pieces(scanner: &mut CsvScanner, text: &[u8], piece: usize, end_separately: bool) -> Vec<Found> {
    let mut all = Vec::new();
    let mut pieces: Vec<&[u8]> = text.chunks(piece.max(1)).collect();
    if end_separately || pieces.is_empty() {
        pieces.push(b"");
    }
    let last = pieces.len() - 1;
    for (index, mut input) in pieces.into_iter().enumerate() {
        while let Scan::Record(consumed) = scanner.scan(input, index == last).unwrap() {
            assert_eq!(consumed, input.len(), "all of the input is consumed");
            input = b"";
            all.push(found(scanner));
        }
    }
    all
}

fn syntax(quotes: QuoteStyle, limits: RecordLimits) -> CsvSyntax {
    let delimiter = if quotes == QuoteStyle::Strict { b',' } else { b';' };
    syntax_for_tests(delimiter, quotes, limits)
}

/// The records of a text, which do not depend on the pieces.
fn records(text: &str, syntax: CsvSyntax) -> Vec<Found> {
    let scan =
        |piece, end_separately| scan_in_pieces(&mut CsvScanner::new(syntax, 1), text.as_bytes(), piece, end_separately);
    let whole = scan(text.len(), false);
    for piece in [1, 2, 3, 7, 4096] {
        for end_separately in [false, true] {
            assert_eq!(scan(piece, end_separately), whole, "{text:?} in pieces of {piece}");
        }
    }
    whole
}

fn check(syntax: CsvSyntax, text: &str, expected: &[(u64, &[&str])]) {
    let found: Vec<(u64, Vec<String>)> = records(text, syntax).into_iter().map(|r| (r.line, r.values)).collect();
    let expected: Vec<(u64, Vec<String>)> =
        expected.iter().map(|(line, values)| (*line, values.iter().map(ToString::to_string).collect())).collect();
    assert_eq!(found, expected, "{text:?}");
}

fn strict(text: &str, expected: &[(u64, &[&str])]) {
    check(syntax(QuoteStyle::Strict, RecordLimits::default()), text, expected);
}

fn loose(text: &str, expected: &[(u64, &[&str])]) {
    check(syntax(QuoteStyle::Loose, RecordLimits::default()), text, expected);
}

/// The lines of records, and the broken lines.
fn lines(text: &str, syntax: CsvSyntax) -> Vec<(u64, Option<LineProblem>)> {
    records(text, syntax).into_iter().map(|found| (found.line, found.problem)).collect()
}

fn with_titles(titles: usize) -> CsvSyntax {
    CsvSyntax { values: (titles, titles), row_values: titles, ..syntax(QuoteStyle::Strict, RecordLimits::default()) }
}

#[test]
fn a_record_ends_at_any_kind_of_line_end() {
    strict("a,b\nc,d\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    strict("a,b\r\nc,d\r\n", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    loose("a;b\rc;d", &[(1, &["a", "b"]), (2, &["c", "d"])]);
    loose("a\r\nb\nc\rd", &[(1, &["a"]), (2, &["b"]), (3, &["c"]), (4, &["d"])]);
    loose("a;\n;b\n", &[(1, &["a", ""]), (2, &["", "b"])]);
    loose(" a ;\tb \n", &[(1, &[" a ", "\tb "])]);
}

#[test]
fn blank_rows_are_skipped_and_counted() {
    for (text, first, blank) in [
        ("\n\r\na\n\n  \n \t\r\nb\n\n", &[(3, None), (7, None)][..], 6),
        ("a\n\"\"\nb\n,,\n , \"\" ,\"  \"\n", &[(1, None), (3, None)], 3),
        ("\n \n", &[], 2),
        ("\u{a0},\u{200b}\na\n", &[(2, None)], 1),
        ("\"\n \"\na\n", &[(3, None)], 1),
        ("", &[], 0),
    ] {
        let syntax = syntax(QuoteStyle::Strict, RecordLimits::default());
        assert_eq!(lines(text, syntax), first, "{text:?}");
        let mut scanner = CsvScanner::new(syntax, 1);
        scan_in_pieces(&mut scanner, text.as_bytes(), 3, true);
        assert_eq!(scanner.blank_rows(), blank, "{text:?}");
    }
}

#[test]
fn a_quoted_value_is_data_up_to_its_closing_quote() {
    strict("\"a,b\",c\n", &[(1, &["a,b", "c"])]);
    strict("a,\"x\r\ny\nz\"\nb,c\n", &[(1, &["a", "x\r\ny\nz"]), (4, &["b", "c"])]);
    loose("\"a \"\"b\"\"\";\"\"\"\";\"\"\n", &[(1, &["a \"b\"", "\"", ""])]);
    loose("\"\"\"a\"\"\"\r\"b\"\rc", &[(1, &["\"a\""]), (2, &["b"]), (3, &["c"])]);
}

#[test]
fn blanks_around_quotes_are_left_out() {
    strict("a, \"b,c\" ,\t\"d\"\t\n", &[(1, &["a", "b,c", "d"])]);
    loose(" \"a;b\" ;c\n", &[(1, &["a;b", "c"])]);
    strict("\" a \",b\n", &[(1, &[" a ", "b"])]);
}

#[test]
fn a_formula_with_text_is_no_misplaced_quote() {
    strict("a,=\"000123\",b\n", &[(1, &["a", "=\"000123\"", "b"])]);
    assert_eq!(
        lines("a,=\"1\"2\n", syntax(QuoteStyle::Strict, RecordLimits::default())),
        [(1, Some(LineProblem::QuoteMisplaced))]
    );
}

#[test]
fn a_loose_quote_inside_a_value_is_an_ordinary_character() {
    for (cell, rest) in [
        (" \"Minsky\" Department ", "Employee"),
        ("\"Kievsky\" Department", "Manager"),
        ("5\" disk", "\"5\"\" disk"),
        ("a\"", "b\""),
        ("\"a\"b\"", "c"),
        ("\"a", "b\" c"),
        ("\"\"a", "b"),
    ] {
        loose(&format!("{cell};{rest}\nx;y\n"), &[(1, &[cell, rest]), (2, &["x", "y"])]);
    }
    loose("a;\"", &[(1, &["a", "\""])]);
    loose("\"a\nb\" c\n", &[(1, &["\"a"]), (2, &["b\" c"])]);
}

#[test]
fn a_strict_quote_that_goes_wrong_costs_one_line() {
    use LineProblem::{QuoteMisplaced, QuoteUnclosed, RowInQuotes, ValueCount};
    let good = |line| (line, None);
    for (text, expected) in [
        ("a,b,c\nd,e\"f,g\nh,i,j\n", vec![good(1), (2, Some(QuoteMisplaced)), good(3)]),
        ("a,b,c\nd,\"e\"f,g\nh,i,j\n", vec![good(1), (2, Some(QuoteMisplaced)), good(3)]),
        ("a,b,c\nd,\"e,f\nh,i,j\nk,l,m\n", vec![good(1), (2, Some(RowInQuotes)), good(3), good(4)]),
        ("a,b,c\nd,\"e,f\nh,i,\"j\"\nk,l,m\n", vec![good(1), (2, Some(QuoteUnclosed)), good(3), good(4)]),
        // A later quote closes it, after a line that is a row.
        (
            "a,b,c\nd,\"e,f\nh,i,j\nk,l\",m\nn,o,p\n",
            vec![good(1), (2, Some(RowInQuotes)), good(3), (4, Some(QuoteMisplaced)), good(5)],
        ),
        ("a,\"b\nc\"\nd,e,f\n", vec![(1, Some(ValueCount)), (2, Some(QuoteMisplaced)), good(3)]),
        ("a,\"b\nc\",d\ne,f,g\n", vec![good(1), good(3)]),
        ("a,\"b\nc\",d,,\ne,f,g\n", vec![good(1), good(3)]),
        ("\"a\n", vec![(1, Some(QuoteUnclosed))]),
    ] {
        assert_eq!(lines(text, with_titles(3)), expected, "{text:?}");
    }
}

#[test]
fn a_loose_quote_that_swallows_rows_costs_one_line() {
    let syntax = CsvSyntax { row_values: 5, ..syntax(QuoteStyle::Loose, RecordLimits::default()) };
    let text = "1;a;b;c;d;\"e\n2;a;b;c;d;x\n3;a;b;c;d;\"y\n4;a;b;c;d;z\";w\n5;a;b;c;d;v\n";
    let expected = [(1, None), (2, None), (3, Some(LineProblem::RowInQuotes)), (4, None), (5, None)];
    assert_eq!(lines(text, syntax), expected);
    assert_eq!(lines("1;a;\"b\nc;d\";e\n2;f\n", syntax), [(1, None), (3, None)], "an address of two lines");
}

#[test]
fn a_record_over_a_limit_costs_one_line() {
    let limits = RecordLimits { max_bytes: 100, max_lines: 4 };
    for (quotes, cell) in [
        (QuoteStyle::Strict, "x".repeat(101)),
        (QuoteStyle::Strict, format!("\"{}\"", "x".repeat(5000))),
        (QuoteStyle::Loose, ";".repeat(5000)),
        (QuoteStyle::Loose, format!("{}\r", "x".repeat(101))),
        (QuoteStyle::Loose, " ".repeat(101)),
    ] {
        let text = format!("a\n{cell}\nb\n");
        let found = records(&text, syntax(quotes, limits));
        let lines: Vec<_> = found.iter().map(|found| (found.line, found.problem)).take(2).collect();
        assert_eq!(lines, [(1, None), (2, Some(LineProblem::TooLarge))], "{}", cell.len());
        assert_eq!(found[1].raw, PLACEHOLDER);
        assert_eq!(found.last().unwrap().values, ["b"]);
        let bytes: u64 = found.iter().map(|found| found.bytes + found.lead_bytes).sum();
        assert_eq!(bytes, text.len() as u64, "every byte is counted");
    }
    let many_lines = "a\n\"1\n2\n3\n4\n5\"\nb\n";
    let expected = [
        (1, None),
        (2, Some(LineProblem::QuoteUnclosed)),
        (3, None),
        (4, None),
        (5, None),
        (6, Some(LineProblem::QuoteMisplaced)),
        (7, None),
    ];
    assert_eq!(lines(many_lines, syntax(QuoteStyle::Strict, limits)), expected);
}

#[test]
fn lines_of_titles_are_skipped_and_reported() {
    let is_title = |cell: &str| matches!(cell.trim(), "ID" | "NAME" | "CITY");
    let syntax = CsvSyntax { is_title, ..syntax(QuoteStyle::Strict, RecordLimits::default()) };
    let mut scanner = CsvScanner::new(syntax, 1);
    let text = b"1,2,3\nID,NAME,CITY\n\n\"ID\",NAME,CITY,x\n4,5,6\nID,NAME,x,y\nID,@,CITY,NAME\n";
    let mut skipped = Vec::new();
    let mut read = Vec::new();
    let mut rest: &[u8] = text;
    while let Scan::Record(_) = scanner.scan(rest, true).unwrap() {
        rest = b"";
        skipped.push(scanner.title_lines().to_vec());
        read.push(scanner.line());
    }
    assert_eq!(read, [1, 5, 6, 7]);
    assert_eq!(skipped, [vec![], vec![2, 4], vec![], vec![]]);
    assert_eq!((scanner.skipped_lines(), scanner.blank_rows()), (2, 1));
}

#[test]
fn endless_blank_lines_are_counted_but_not_kept() {
    let mut scanner = CsvScanner::new(syntax(QuoteStyle::Loose, RecordLimits::default()), 1);
    for blank in [b"\n".repeat(1000), b" \t\r\n".repeat(1000)] {
        for _ in 0..1000 {
            assert_eq!(scanner.scan(&blank, false), Ok(Scan::NeedInput));
        }
    }
    assert_eq!(scanner.scan(b"a;b\n", false), Ok(Scan::Record(4)));
    assert_eq!((scanner.line(), scanner.lead(), scanner.lead_bytes()), (2_000_001, None, 5_000_000));
    assert!(scanner.lead.capacity() < 10_000 && scanner.buffer.capacity() < 200_000);
}

/// Work is counted by the bytes that are parsed, because time depends on the machine.
#[test]
fn hostile_quotes_are_parsed_hardly_more_often_than_other_text() {
    for (quotes, unit) in [
        (QuoteStyle::Strict, "\"\n"),
        (QuoteStyle::Strict, "a,\"b\n"),
        (QuoteStyle::Strict, "\"\"\"a\n"),
        (QuoteStyle::Strict, "\"x,\n"),
        (QuoteStyle::Loose, "\";\"\""),
        (QuoteStyle::Loose, "\"x;"),
        (QuoteStyle::Loose, "\"\";\""),
        (QuoteStyle::Loose, "\"\"\"x;"),
        (QuoteStyle::Loose, "a;\"b\n"),
    ] {
        let text = unit.repeat(200_000);
        let limits = RecordLimits { max_bytes: 1 << 20, max_lines: 1 << 20 };
        let mut scanner = CsvScanner::new(syntax(quotes, limits), 1);
        let mut rest = text.as_bytes();
        let mut parsed = 0;
        while let Scan::Record(_) = scanner.scan(rest, true).unwrap() {
            rest = b"";
            parsed += 1;
        }
        assert!(parsed <= 200_001, "{unit:?}");
    }
}

fn joined(found: &[Found]) -> Vec<u8> {
    found.iter().flat_map(|found| [found.lead.clone().unwrap(), found.raw.clone()].concat()).collect()
}

fn style() -> impl Strategy<Value = QuoteStyle> {
    prop_oneof![Just(QuoteStyle::Strict), Just(QuoteStyle::Loose)]
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_the_pieces(
        text in "[ab;,\"\r\n ]{0,80}",
        quotes in style(),
        row_values in 2_usize..5,
        piece in 1_usize..20,
        end_separately: bool,
    ) {
        for limits in [RecordLimits::default(), SMALL] {
            let syntax = CsvSyntax { row_values, values: (0, row_values), ..syntax(quotes, limits) };
            prop_assert_eq!(
                scan_in_pieces(&mut CsvScanner::new(syntax, 1), text.as_bytes(), piece, end_separately),
                scan_in_pieces(&mut CsvScanner::new(syntax, 1), text.as_bytes(), usize::MAX, false)
            );
        }
    }

    /// Every physical line is part of a record, broken, or blank.
    #[test]
    fn the_concatenated_leads_and_records_are_the_text(text in "[a;,\"\r\n ]{0,60}", quotes in style(), row_values in 2_usize..5) {
        let syntax = CsvSyntax { row_values, values: (0, row_values), ..syntax(quotes, RecordLimits::default()) };
        let found = scan_in_pieces(&mut CsvScanner::new(syntax, 1), text.as_bytes(), 7, true);
        let joined = joined(&found);
        prop_assert!(text.as_bytes().starts_with(&joined));
        let left = &text.as_bytes()[joined.len()..];
        prop_assert!(left.iter().all(|byte| b" \r\n,;\"".contains(byte)), "lost {:?}", lossy(left));
        let mut next = 1;
        for found in &found {
            let blank = lossy(found.lead.as_ref().unwrap());
            prop_assert_eq!(found.line, next + count_line_ends(&blank));
            next = found.line + found.lines;
        }
    }

    /// A worker that knows the broken lines of a batch reads the same records.
    #[test]
    fn a_batch_of_some_records_is_read_as_the_same_records(
        text in "[a;,\"\r\n ]{0,80}",
        quotes in style(),
        row_values in 2_usize..5,
        first in 0_usize..10,
        count in 1_usize..10,
    ) {
        for limits in [RecordLimits::default(), SMALL] {
            let syntax = CsvSyntax { row_values, values: (0, row_values), ..syntax(quotes, limits) };
            let all = scan_in_pieces(&mut CsvScanner::new(syntax, 1), text.as_bytes(), usize::MAX, false);
            let part: Vec<Found> = all.into_iter().skip(first).take(count).collect();
            let Some(start) = part.first() else { continue };
            let broken = part.iter().filter_map(|f| Some(BrokenLine { line: f.line, problem: f.problem? })).collect();
            let mut text = joined(&part);
            text.drain(..start.lead.as_ref().unwrap().len());
            let mut scanner = CsvScanner::of_batch(syntax, start.line, broken);
            let again = scan_in_pieces(&mut scanner, &text, usize::MAX, false);
            let essence = |all: &[Found]| {
                all.iter().map(|f| (f.line, f.lines, f.raw.clone(), f.values.clone(), f.problem)).collect::<Vec<_>>()
            };
            prop_assert_eq!(essence(&again), essence(&part));
        }
    }

    #[test]
    fn well_formed_records_are_read_as_they_were_written(
        rows in proptest::collection::vec(proptest::collection::vec("[ab,;\"\r\n]{0,6}", 1..4), 0..6),
        quotes in style(),
    ) {
        let quote = |value: &String| format!("\"{}\"", value.replace('"', "\"\""));
        let syntax = syntax(quotes, RecordLimits::default());
        let separator = char::from(syntax.delimiter).to_string();
        let text: String = rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(&separator) + "\n").collect();
        let is_blank = |row: &Vec<String>| row.iter().all(|value| value.trim().is_empty());
        let expected: Vec<Vec<String>> = rows.iter().filter(|row| !is_blank(row)).cloned().collect();
        let found: Vec<Vec<String>> = records(&text, syntax).into_iter().map(|found| found.values).collect();
        prop_assert_eq!(found, expected);
    }
}

fn count_line_ends(text: &str) -> u64 {
    let crlf = text.matches("\r\n").count();
    (text.matches(['\r', '\n']).count() - crlf) as u64
}
