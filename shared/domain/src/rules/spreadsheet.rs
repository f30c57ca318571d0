//! Values that a spreadsheet has changed because they resembled numbers.

use crate::rejection::RejectionCode;
use crate::text::{ValueError, invalid};

/// Fails if a spreadsheet or a script has turned an identifier into a number: several may have become the same.
pub fn check_identifier(value: &str) -> Result<(), ValueError> {
    if is_scientific(value) {
        return invalid(
            RejectionCode::ValueInvalid,
            "is a number in scientific notation, in which a spreadsheet has lost its digits; format the column as text \
             and export it again",
        );
    }
    if has_zero_fraction(value) {
        return invalid(
            RejectionCode::ValueInvalid,
            "is a whole number with a decimal part, as spreadsheets and scripts write numbers; format the column as text \
             and export it again",
        );
    }
    Ok(())
}

/// The text in `="…"`, by which spreadsheets keep a number as text; any other value as it is.
pub fn formula_text(value: &str) -> &str {
    let inner = value.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).map_or(value, str::trim)
}

/// Whether the value is written like `1.23457E+11` or `3,80441E+11`.
fn is_scientific(value: &str) -> bool {
    let Some((mantissa, exponent)) = value.split_once(['E', 'e']) else { return false };
    let exponent = exponent.strip_prefix(['+', '-']).filter(|digits| !digits.is_empty());
    exponent.is_some_and(is_digits) && is_number(mantissa)
}

/// Whether the value is written like `12345.0`.
fn has_zero_fraction(value: &str) -> bool {
    let parts = value.split_once(['.', ',']);
    parts.is_some_and(|(whole, fraction)| is_digits(whole) && fraction == "0")
}

fn is_number(text: &str) -> bool {
    match text.split_once(['.', ',']) {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(text),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_that_became_numbers_are_told_from_others() {
        for ruined in ["1.23457E+11", "3,80441E+11", "1E+05", "1.5e-7", "12345.0", "12345,0"] {
            assert_eq!(
                check_identifier(ruined).map_err(|error| error.code),
                Err(RejectionCode::ValueInvalid),
                "{ruined}"
            );
        }
        for good in ["12345", "000123", "1E5", "E+11", "1.2.0", "12.05", "ada.0", "1.23457E+11x", "v1.0", "a1E+05", ""]
        {
            assert_eq!(check_identifier(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn the_text_of_a_formula_is_taken_out() {
        for (value, text) in [
            ("=\"000123\"", "000123"),
            ("=\" 7 \"", "7"),
            ("=\"\"", ""),
            ("=\"a\"\"b\"", "=\"a\"\"b\""),
            ("=1+1", "=1+1"),
            ("\"x\"", "\"x\""),
            ("=\"", "=\""),
        ] {
            assert_eq!(formula_text(value), text, "{value}");
        }
    }
}
