//! Numbers, and the dates that are stored as numbers.

use jiff::ToSpan;
use jiff::civil::Date;
use muster_domain::workbook_cell::{self, Damage};

use super::styles::NumberFormat;

/// From here on, neighboring whole numbers are not told apart by every program; Excel keeps 15 digits.
const MAX_WHOLE: f64 = 1e15;
/// 9999-12-31, as the number of a day.
const MAX_DAY: f64 = 2_958_466.0;
/// 1900-02-29, which did not exist, but has a number.
const DAY_OF_1900_02_29: i64 = 60;

/// Appends the value of a cell with a number. `is_first` says that it is the first number of its column.
pub(super) fn push(raw: &str, format: NumberFormat, counts_from_1904: bool, is_first: bool, out: &mut String) {
    match format {
        NumberFormat::Number => push_whole(raw, 0, is_first, out),
        NumberFormat::Zeros(digits) => push_whole(raw, digits, is_first, out),
        NumberFormat::Time => workbook_cell::push_damage(Damage::Time, out),
        NumberFormat::Date => match raw.trim().parse().ok().and_then(|day| date_of(day, counts_from_1904)) {
            Some(date) => workbook_cell::push_date(&date.to_string(), out),
            None => workbook_cell::push_damage(Damage::Time, out),
        },
    }
}

/// Appends a date in the form of ISO 8601, such as `2024-05-17T00:00:00`.
pub(super) fn push_iso_date(text: &str, out: &mut String) {
    match text.trim().get(..10).and_then(|date| date.parse::<Date>().ok()) {
        Some(date) => workbook_cell::push_date(&date.to_string(), out),
        None => workbook_cell::push_damage(Damage::Time, out),
    }
}

fn push_whole(raw: &str, min_digits: usize, is_first: bool, out: &mut String) {
    match whole_number(raw.trim()) {
        Ok(digits) => {
            let missing = min_digits.saturating_sub(digits.trim_start_matches('-').len());
            let zeros = "0".repeat(missing.min(MAX_ZEROS));
            let digits = match digits.strip_prefix('-') {
                Some(digits) => format!("-{zeros}{digits}"),
                None => zeros + &digits,
            };
            workbook_cell::push_number(&digits, is_first, out);
        }
        Err(damage) => workbook_cell::push_damage(damage, out),
    }
}

/// How many zeros a number format may put in front of a number.
const MAX_ZEROS: usize = 64;

fn whole_number(raw: &str) -> Result<String, Damage> {
    let number: f64 = raw.parse().map_err(|_| Damage::Error)?;
    if !number.is_finite() {
        Err(Damage::Error)
    } else if number.abs() >= MAX_WHOLE {
        Err(Damage::Digits)
    } else if number.fract() != 0.0 {
        Err(Damage::Fraction)
    } else if number == 0.0 {
        Ok("0".to_owned())
    } else {
        Ok(format!("{number:.0}"))
    }
}

/// The date of a day's number; `None` if there is no such day. The time of the day is left out.
fn date_of(day: f64, counts_from_1904: bool) -> Option<Date> {
    if !(1.0..MAX_DAY).contains(&day) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked, and the time is left out")]
    let day = day.floor() as i64;
    let first = match (counts_from_1904, day) {
        (true, _) => Date::constant(1904, 1, 1),
        (false, DAY_OF_1900_02_29) => return None,
        (false, day) if day < DAY_OF_1900_02_29 => Date::constant(1899, 12, 31),
        (false, _) => Date::constant(1899, 12, 30),
    };
    first.checked_add(day.days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str, format: NumberFormat) -> String {
        let mut out = String::new();
        push(raw, format, false, false, &mut out);
        out.replace('\u{1}', "!")
    }

    #[test]
    fn whole_numbers_keep_their_digits_and_others_are_damage() {
        use NumberFormat::{Number, Zeros};
        for (raw, format, expected) in [
            ("42", Number, "42"),
            ("1E5", Number, "100000"),
            ("4.2E1", Number, "42"),
            ("-7", Number, "-7"),
            ("-0", Number, "0"),
            ("123456789012345", Number, "123456789012345"),
            ("1234567890123456", Number, "!l"),
            ("3.80441E+15", Number, "!l"),
            ("0.5", Number, "!f"),
            ("42", Zeros(5), "00042"),
            ("-42", Zeros(5), "-00042"),
            ("123456", Zeros(5), "123456"),
            ("x", Number, "!e"),
            ("NaN", Number, "!e"),
        ] {
            assert_eq!(text(raw, format), expected, "{raw}");
        }
    }

    #[test]
    fn numbers_of_days_become_dates() {
        for (raw, expected) in [
            ("1", "!d1900-01-01"),
            ("59", "!d1900-02-28"),
            ("60", "!h"),
            ("61", "!d1900-03-01"),
            ("45429", "!d2024-05-17"),
            ("45429.75", "!d2024-05-17"),
            ("2958465", "!d9999-12-31"),
            ("2958466", "!h"),
            ("0.75", "!h"),
            ("-1", "!h"),
            ("x", "!h"),
        ] {
            assert_eq!(text(raw, NumberFormat::Date), expected, "{raw}");
        }
        assert_eq!(text("45429", NumberFormat::Time), "!h");
        assert_eq!(date_of(43_967.0, true), Some(Date::constant(2024, 5, 17)));
    }

    #[test]
    fn dates_may_be_written_as_text() {
        for (iso, expected) in
            [("2024-05-17", "!d2024-05-17"), ("2024-05-17T10:00:00", "!d2024-05-17"), ("10:00", "!h")]
        {
            let mut out = String::new();
            push_iso_date(iso, &mut out);
            assert_eq!(out.replace('\u{1}', "!"), expected);
        }
    }
}
