//! Elements are found regardless of their content, and the text between them is checked.

use super::*;
use proptest::prelude::*;

/// (number, start offset, bytes) of each element, and the error, if there is one.
type Elements = (Vec<(u64, u64, String)>, Option<RecordError>);

const LIMITS: RecordLimits = RecordLimits { max_bytes: 256 * 1024, max_lines: 1 };

fn read(mut scanner: JsonArrayScanner, text: &[u8], piece: usize, end_separately: bool) -> Elements {
    let mut found = Vec::new();
    let mut offset = 0;
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
                    let start = offset + scanner.lead_bytes();
                    offset = start + scanner.raw().len() as u64;
                    assert_eq!(scanner.raw(), &text[usize::try_from(start).unwrap()..usize::try_from(offset).unwrap()]);
                    assert_eq!(scanner.lead(), Some(b"\n".as_slice()));
                    found.push((scanner.line(), start, String::from_utf8_lossy(scanner.raw()).into_owned()));
                }
                Ok(Scan::NeedInput) => break,
                Ok(Scan::End) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }
    panic!("the scan of the last piece returned neither an end nor an error")
}

fn elements(new: fn(RecordLimits, u64) -> JsonArrayScanner, text: &str, limits: RecordLimits) -> Elements {
    let whole = read(new(limits, 1), text.as_bytes(), text.len(), false);
    for piece in [1, 2, 3, 7, 4096] {
        for end_separately in [false, true] {
            let found = read(new(limits, 1), text.as_bytes(), piece, end_separately);
            assert_eq!(found, whole, "{text:?} in pieces of {piece}");
        }
    }
    whole
}

fn check(text: &str, expected: &[&str]) {
    check_with(JsonArrayScanner::new, text, expected);
}

fn check_with(new: fn(RecordLimits, u64) -> JsonArrayScanner, text: &str, expected: &[&str]) {
    let (found, error) = elements(new, text, LIMITS);
    assert_eq!(error, None, "{text:?}");
    let numbered: Vec<_> = found.iter().map(|(row, _, raw)| (*row, raw.as_str())).collect();
    let expected: Vec<_> = (1..).zip(expected.iter().copied()).collect();
    assert_eq!(numbered, expected, "{text:?}");
}

/// Checks the error and the number of elements before it.
fn check_error_with(new: fn(RecordLimits, u64) -> JsonArrayScanner, text: &str, before: usize, problem: &str) {
    let (found, error) = elements(new, text, LIMITS);
    let error = error.unwrap_or_else(|| panic!("{text:?} was read"));
    let expected =
        RecordError { line: before as u64 + 1, code: RejectionCode::JsonInvalid, problem: problem.to_owned() };
    assert_eq!((found.len(), error), (before, expected), "{text:?}");
}

fn check_error(text: &str, before: usize, problem: &str) {
    check_error_with(JsonArrayScanner::new, text, before, problem);
}

#[test]
fn an_array_is_scanned_element_by_element() {
    check("[]", &[]);
    check(" [ \r\n ] \t", &[]);
    check("[{}]", &["{}"]);
    check("[{\"a\":1},{\"b\":[2,{}]} , {\n}\n]\n", &["{\"a\":1}", "{\"b\":[2,{}]}", "{\n}"]);
    check("[[1,2],[[]]]", &["[1,2]", "[[]]"]);
    check("[1,\"x\",null ,-1.5e3, true\n]", &["1", "\"x\"", "null", "-1.5e3", "true"]);
}

#[test]
fn a_single_object_is_read_as_an_array_of_one() {
    check("{}", &["{}"]);
    check(" \n{\"a\":[1]}\r\n ", &["{\"a\":[1]}"]);
    check_error("{},{}", 1, "expected the end of the JSON text at byte 2");
}

#[test]
fn a_byte_order_mark_is_skipped() {
    check("\u{feff}[1]", &["1"]);
    check("\u{feff} {}", &["{}"]);
    check_error(" \u{feff}[1]", 0, "expected [ or { at byte 1");
    check_error("\u{feff}\u{feff}[1]", 0, "expected [ or { at byte 3");
    check_error("\u{feff}", 0, "the JSON text is empty");
}

#[test]
fn brackets_and_commas_in_strings_are_text() {
    check(r#"["a,b]","}{",{"[":"]"}]"#, &[r#""a,b]""#, r#""}{""#, r#"{"[":"]"}"#]);
    check(r#"["\"]","\\",{"a\"}":"\\"}]"#, &[r#""\"]""#, r#""\\""#, r#"{"a\"}":"\\"}"#]);
    check(r#"["\u005d\\\"",""]"#, &[r#""\u005d\\\"""#, r#""""#]);
}

#[test]
fn an_element_that_is_not_valid_json_is_still_found() {
    check("[{\"a\":tru},{a b},{,:},tru,{\"a\"1}]", &["{\"a\":tru}", "{a b}", "{,:}", "tru", "{\"a\"1}"]);
    check("[[1,,2],\"line\nend\",'x',\\]", &["[1,,2]", "\"line\nend\"", "'x'", "\\"]);
}

#[test]
fn the_text_must_start_and_end_with_its_brackets() {
    check_error("", 0, "the JSON text is empty");
    check_error(" \n", 0, "the JSON text is empty");
    check_error("x", 0, "expected [ or { at byte 0");
    check_error("  \"x\"", 0, "expected [ or { at byte 2");
    check_error("]", 0, "expected [ or { at byte 0");
    check_error("[", 0, "the JSON text ends before the array is closed");
    check_error("[1", 0, "the JSON text ends before the array is closed");
    check_error("[1 ", 1, "the JSON text ends before the array is closed");
    check_error("[{},", 1, "the JSON text ends before the array is closed");
    check_error("[{},{", 1, "the JSON text ends before the array is closed");
    check_error("[\"a\\\"]", 0, "the JSON text ends before the array is closed");
    check_error("{\"a\":{}", 0, "the JSON text ends before the object is closed");
    check_error("[1] x", 1, "expected the end of the JSON text at byte 4");
    check_error("[][]", 0, "expected the end of the JSON text at byte 2");
    check_error("[]]", 0, "expected the end of the JSON text at byte 2");
    check_error("{}\0", 1, "expected the end of the JSON text at byte 2");
}

#[test]
fn elements_are_separated_by_one_comma() {
    check_error("[,1]", 0, "expected a value or ] at byte 1");
    check_error("[1,]", 1, "expected a value at byte 3");
    check_error("[1,,2]", 1, "expected a value at byte 3");
    check_error("[{} {}]", 1, "expected a comma or ] at byte 4");
    check_error("[{}{}]", 1, "expected a comma or ] at byte 3");
    check_error("[1 2]", 1, "expected a comma or ] at byte 3");
    check_error("[1\"x\"]", 1, "expected a comma or ] at byte 2");
    check_error("[\"a\":1]", 1, "expected a comma or ] at byte 4");
    check_error("[:]", 0, "expected a value or ] at byte 1");
}

#[test]
fn a_bracket_is_closed_by_one_of_its_kind() {
    check_error("[}", 0, "expected a value or ] at byte 1");
    check_error("[1}", 1, "expected a comma or ] at byte 2");
    check_error("{\"a\":[1}", 0, "expected ] at byte 7");
    check_error("[{},{\"a\":1]]", 1, "expected } at byte 10");
    check_error("{]", 0, "expected } at byte 1");
}

#[test]
fn an_element_may_have_any_number_of_levels() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for levels in [63, 64, 65, 100] {
        check(&format!("[{},1]", nested(levels)), &[&nested(levels), "1"]);
    }
    let mixed = format!("{}{}", "{[".repeat(32), "]}".repeat(32));
    check(&format!("[{mixed}]"), &[&mixed]);
}

#[test]
fn the_size_of_an_element_is_limited() {
    let limits = RecordLimits { max_bytes: 6, max_lines: 1 };
    for fits in ["[{\"a\":1}]", "[ 12345 ]", "[123456]", "[\"1234\"]"] {
        let (found, error) = elements(JsonArrayScanner::new, fits, RecordLimits { max_bytes: 7, max_lines: 1 });
        assert_eq!((found.len(), error), (1, None), "{fits}");
    }
    for large in
        ["[{},{\"a\":1}]", "[{},1234567]", "[{},{\"a\":[1", "[{},\"12345\"", "[{},\"12345\\\"\\", "[{},\"12345}"]
    {
        let (found, error) = elements(JsonArrayScanner::new, large, limits);
        let problem = "the record is larger than 6 bytes".to_owned();
        let expected = RecordError { line: 2, code: RejectionCode::RecordTooLarge, problem };
        assert_eq!((found.len(), error), (1, Some(expected)), "{large}");
    }
    check_error("[1", 0, "the JSON text ends before the array is closed");
    let early = elements(JsonArrayScanner::new, "[123456", limits).1.unwrap();
    assert_eq!(early.code, RejectionCode::JsonInvalid);
}

#[test]
fn the_elements_of_a_sequence_are_separated_by_white_space() {
    let check = |text, expected| check_with(JsonArrayScanner::sequence, text, expected);
    check("", &[]);
    check("\n", &[]);
    check("{}\n{\"a\":tru}\n1\n\"x\"\nnull", &["{}", "{\"a\":tru}", "1", "\"x\"", "null"]);
    check(" [1] ", &["[1]"]);
    check_error_with(JsonArrayScanner::sequence, "{}\n,{}", 1, "expected a value at byte 3");
    check_error_with(JsonArrayScanner::sequence, "1\n]", 1, "expected a value at byte 2");
    check_error_with(JsonArrayScanner::sequence, "{}\n{", 1, "the JSON text ends before an element is closed");
    let numbers = read(JsonArrayScanner::sequence(LIMITS, 17), b"1\n2", 3, false).0;
    assert_eq!(numbers.iter().map(|(row, ..)| *row).collect::<Vec<_>>(), [17, 18]);
}

#[test]
fn endless_white_space_is_counted_but_not_kept() {
    let mut scanner = JsonArrayScanner::new(LIMITS, 1);
    assert_eq!(scanner.scan(b"[", false), Ok(Scan::NeedInput));
    for _ in 0..1000 {
        assert_eq!(scanner.scan(&b" \r\n\t".repeat(1000), false), Ok(Scan::NeedInput));
    }
    assert_eq!(scanner.scan(b"1,", false), Ok(Scan::Record(2)));
    assert_eq!((scanner.line(), scanner.lead_bytes(), scanner.raw()), (1, 4_000_001, b"1".as_slice()));
}

/// Texts that are arrays or almost arrays.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => Just(","),
        2 => prop::sample::select(vec!["[", "]", "{", "}", "\"", "\\", ":", " ", "\n", "\u{feff}"]),
        4 => prop::sample::select(vec!["{\"a\":1}", "[1,\"]\"]", "12", "tru", "\"\\\"\"", "{}", "[{\"b\":[]}]", "\"é\""]),
    ];
    let open = prop::sample::select(vec!["[", " [", "\u{feff}[", "", "{"]);
    let close = prop::sample::select(vec!["]", "] ", "", "}", "]x"]);
    (open, prop::collection::vec(part, 0..12), close)
        .prop_map(|(open, parts, close)| format!("{open}{}{close}", parts.concat()))
}

/// Random JSON values.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i32>().prop_map(Into::into),
        "[a\"\\\\\\[\\]{},\n]{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map("[a\"\\]}]{0,3}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_the_pieces(text in texts(), piece in 1_usize..20, end_separately: bool) {
        for limits in [LIMITS, RecordLimits { max_bytes: 5, max_lines: 1 }] {
            for new in [JsonArrayScanner::new, JsonArrayScanner::sequence] {
                prop_assert_eq!(
                    read(new(limits, 1), text.as_bytes(), piece, end_separately),
                    read(new(limits, 1), text.as_bytes(), usize::MAX, false)
                );
            }
        }
    }

    #[test]
    fn the_elements_are_those_that_a_parser_finds(array in prop::collection::vec(values(), 0..6), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) }.unwrap();
        let (found, error) = read(JsonArrayScanner::new(LIMITS, 1), text.as_bytes(), 4096, false);
        prop_assert_eq!(error, None);
        let found: Vec<serde_json::Value> =
            found.iter().map(|(_, _, raw)| serde_json::from_str(raw).unwrap()).collect();
        prop_assert_eq!(found, array);
    }

    #[test]
    fn a_batch_is_read_as_the_same_elements(text in texts()) {
        let (found, _) = read(JsonArrayScanner::new(LIMITS, 1), text.as_bytes(), 4096, false);
        let found: Vec<_> = found.into_iter().map(|(row, _, raw)| (row, raw)).collect();
        let batch = found.iter().map(|(_, raw)| raw.as_str()).collect::<Vec<_>>().join("\n");
        let (again, error) = read(JsonArrayScanner::sequence(LIMITS, 1), batch.as_bytes(), 4096, false);
        prop_assert_eq!(error, None);
        prop_assert_eq!(again.into_iter().map(|(row, _, raw)| (row, raw)).collect::<Vec<_>>(), found);
    }
}
