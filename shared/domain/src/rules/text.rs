//! Checks on the text of single values. An error is the predicate of a sentence about the value: `EMAIL is missing`.

use crate::rejection::{Rejection, RejectionCode};

/// Why a value is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    /// The stable code.
    pub code: RejectionCode,
    /// The predicate of a sentence that starts with the title of the value. It never repeats the value.
    pub problem: String,
}

impl ValueError {
    /// Creates the rejection of the row on this line, for the value with this name.
    pub(crate) fn rejection(&self, line: u64, name: Option<&str>) -> Rejection {
        let message = name.map_or_else(|| self.problem.clone(), |name| format!("{name} {}", self.problem));
        Rejection::new(line, name.map(str::to_owned), self.code, message)
    }
}

pub(crate) fn internal_error() -> ValueError {
    let problem = "an internal error prevented this row from being checked; please report it";
    ValueError { code: RejectionCode::NotApplied, problem: problem.to_owned() }
}

pub(crate) fn value_missing() -> ValueError {
    ValueError { code: RejectionCode::ValueEmpty, problem: "is missing".to_owned() }
}

pub(crate) fn invalid<T>(code: RejectionCode, problem: impl Into<String>) -> Result<T, ValueError> {
    Err(ValueError { code, problem: problem.into() })
}

/// Whether the text has only printable ASCII characters and spaces. The loop does not stop early, so that it can be
/// vectorized.
pub(crate) fn is_printable_ascii(text: &[u8]) -> bool {
    text.iter().fold(true, |printable, byte| printable & matches!(byte, b' '..=b'~'))
}

/// Like [`str::trim`], but faster if there is nothing to trim.
pub(crate) fn trim(value: &str) -> &str {
    match value.as_bytes() {
        [] | [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => value,
        _ => value.trim(),
    }
}

/// Fails if the value has a control character other than a line end or tab, a mark that changes the text direction, or
/// a noncharacter.
pub fn check_characters(value: &str) -> Result<(), ValueError> {
    if is_printable_ascii(value.as_bytes()) {
        return Ok(());
    }
    for c in value.chars() {
        match c {
            '\t' | '\n' | '\r' => {}
            '\0' => return invalid(RejectionCode::NulByte, "has a NUL character"),
            c if c.is_control() || is_direction_mark(c) || is_noncharacter(c) => {
                return invalid(
                    RejectionCode::ControlChar,
                    format!("has the control character U+{:04X}", u32::from(c)),
                );
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether this character changes the direction of the text around it.
pub(crate) fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether this code point is a noncharacter, which Unicode never assigns to a character.
pub(crate) fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{FDD0}'..='\u{FDEF}') || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Checks that a value has no more than `limit` characters.
pub fn check_length(value: &str, limit: usize) -> Result<(), ValueError> {
    if value.len() > limit && value.chars().count() > limit {
        return invalid(RejectionCode::ValueTooLong, format!("is longer than {limit} characters"));
    }
    Ok(())
}

/// Parses an unsigned decimal number whose number of digits is in `lengths`.
pub(crate) fn parse_digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let plain = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

pub(crate) fn is_calendar_date(year: u32, month: u32, day: u32) -> bool {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    year >= 1 && (1..=last).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_reported_by_code_point() {
        assert!(check_characters("Zoë\tline one\nline two").is_ok());
        assert_eq!(check_characters("a\0b").unwrap_err().code, RejectionCode::NulByte);
        let error = check_characters("a\u{202e}b").unwrap_err();
        assert_eq!(error.code, RejectionCode::ControlChar);
        assert!(error.problem.contains("U+202E"));
        for bad in ["\u{1b}[0m", "a\u{7}", "a\u{2067}b", "a\u{85}", "a\u{7f}", "a\u{fffe}", "a\u{1ffff}", "a\u{fdd0}"] {
            assert_eq!(check_characters(bad).unwrap_err().code, RejectionCode::ControlChar, "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn trim_equals_that_of_the_standard_library(value in "[ \\t\u{a0}\u{3000}aé]{0,6}") {
            proptest::prop_assert_eq!(trim(&value), value.trim());
        }
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(check_length(&"é".repeat(255), 255).is_ok());
        assert!(check_length(&"é".repeat(256), 255).is_err());
    }
}
