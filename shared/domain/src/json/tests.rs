use proptest::prelude::*;

use super::*;

const LIMITS: RecordLimits = RecordLimits { max_bytes: 300, max_lines: 1 };

/// The elements with their numbers, the fault, and where the last element ends.
fn elements(mut scanner: JsonScanner, text: &str, piece: usize) -> (Vec<(u64, String)>, Option<RecordError>, u64) {
    let (mut found, mut offset, mut rest) = (Vec::new(), 0, text.as_bytes());
    loop {
        let mut input = &rest[..piece.min(rest.len())];
        let at_end = input.len() == rest.len();
        rest = &rest[input.len()..];
        loop {
            match scanner.scan(input, at_end) {
                Ok(Scan::Record(used)) => input = &input[used..],
                Ok(Scan::NeedInput) => break,
                Ok(Scan::End) => return (found, None, offset),
                Err(error) => return (found, Some(error), offset),
            }
            offset += scanner.lead_bytes() + scanner.raw().len() as u64;
            found.push((scanner.line(), String::from_utf8(scanner.raw().to_vec()).unwrap()));
        }
    }
}

fn of(text: &str) -> (Vec<String>, Option<String>) {
    let (found, error, _) = elements(JsonScanner::new(LIMITS, 1), text, usize::MAX);
    (found.into_iter().map(|(_, text)| text).collect(), error.map(|error| error.problem))
}

#[test]
fn elements_are_cut_out_whatever_is_in_them() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    for (text, expected) in [
        ("[]", vec![]),
        (" [ ] \n", vec![]),
        (r#"[{"a":1},{"a":[{"b":"]}\"\\"}]}]"#, vec![r#"{"a":1}"#, r#"{"a":[{"b":"]}\"\\"}]}"#]),
        (r#"{"a":1}"#, vec![r#"{"a":1}"#]),
        ("\u{feff}[1 ,\"x,]\",null,tru]", vec!["1", "\"x,]\"", "null", "tru"]),
        (r#"[{"a":tru}]"#, vec![r#"{"a":tru}"#]),
        (&format!("[{deep}]"), vec![&deep]),
    ] {
        assert_eq!(of(text), (expected.iter().map(ToString::to_string).collect(), None), "{text}");
    }
}

#[test]
fn faults_of_the_structure_are_told_with_their_place() {
    for (text, found, problem) in [
        ("", 0, "byte 0: expected [ or {, found the end"),
        ("\"x\"", 0, "byte 0: expected [ or {"),
        ("[{}", 1, "byte 3: the text ends before the array is closed"),
        ("[{},", 1, "byte 4: the text ends before the array is closed"),
        (r#"[{"a":"#, 0, "byte 1: the text ends inside of a value"),
        (r#"[{"a":"x}]"#, 0, "byte 1: the text ends inside of a value"),
        ("[{} {}]", 1, "byte 4: expected a comma or ]"),
        ("[{},]", 1, "byte 4: expected a value"),
        ("[,{}]", 0, "byte 1: expected a value"),
        ("[{},,{}]", 1, "byte 4: expected a value"),
        ("[{}] x", 1, "byte 5: expected nothing more"),
        ("{} {}", 1, "byte 3: expected nothing more"),
        ("[{]}", 0, "byte 1: a value has a closing bracket of the wrong kind"),
    ] {
        let (elements, error) = of(text);
        assert_eq!(elements.len(), found, "{text}");
        assert_eq!(error.as_deref(), Some(&*format!("the JSON text cannot be read at {problem}")), "{text}");
    }
}

#[test]
fn an_element_that_is_too_large_is_named_by_its_number() {
    let (found, error, _) = elements(JsonScanner::new(LIMITS, 1), &format!("[1,\"{}\"]", "x".repeat(400)), 50);
    assert_eq!(
        (found.len(), error.map(|error| (error.line, error.code))),
        (1, Some((2, RejectionCode::RecordTooLarge)))
    );
}

#[test]
fn a_sequence_is_read_again() {
    let (found, error, _) = elements(JsonScanner::sequence(LIMITS, 7), "{\"a\":\n1}\n2\n\"x\"", 3);
    assert_eq!(found, [(7, "{\"a\":\n1}".to_owned()), (8, "2".to_owned()), (9, "\"x\"".to_owned())]);
    assert_eq!(error, None);
}

proptest! {
    #[test]
    fn pieces_do_not_matter(text in "(\u{feff})?\\[[\\[\\]{}\", \\\\a1:]{0,60}", piece in 1_usize..9) {
        let whole = elements(JsonScanner::new(LIMITS, 1), &text, usize::MAX);
        prop_assert_eq!(elements(JsonScanner::new(LIMITS, 1), &text, piece), whole);
    }
}
