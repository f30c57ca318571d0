//! The values of Spigit fields.

use std::fmt::Write as _;

use crate::email;
use crate::field::FieldKind;
use crate::rejection::RejectionCode;
use crate::text::{ValueError, check_length, invalid, is_calendar_date, parse_digits};

/// Checks a trimmed, non-empty value and appends its canonical form.
pub(super) fn canonical(kind: FieldKind, value: &str, out: &mut String) -> Result<(), ValueError> {
    match kind {
        FieldKind::Text(limit) => check_length(value, limit)?,
        FieldKind::Email => email::check(value)?,
        FieldKind::Date => return canonical_us_date(value, out),
        // No Spigit field is of this kind; Collaborator fields are checked in `collaborator`.
        FieldKind::Number | FieldKind::Json => {}
    }
    out.push_str(value);
    Ok(())
}

/// Parses `MM/DD/YYYY`, the format of the Spigit sample, with optional leading zeros, and appends `YYYY-MM-DD`.
fn canonical_us_date(value: &str, out: &mut String) -> Result<(), ValueError> {
    let mut parts = value.split('/');
    let numbers = [parts.next(), parts.next(), parts.next()];
    let parsed = match numbers {
        [Some(month), Some(day), Some(year)] if parts.next().is_none() => {
            match (parse_digits(month, 1..=2), parse_digits(day, 1..=2), parse_digits(year, 4..=4)) {
                (Some(month), Some(day), Some(year)) if is_calendar_date(year, month, day) => Some((year, month, day)),
                _ => None,
            }
        }
        _ => None,
    };
    let Some((year, month, day)) = parsed else {
        return invalid(RejectionCode::DateInvalid, "is not a date of the form MM/DD/YYYY");
    };
    write!(out, "{year:04}-{month:02}-{day:02}").expect("writing to a String never fails");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: FieldKind, value: &str) -> Result<String, RejectionCode> {
        let mut out = String::new();
        canonical(kind, value, &mut out).map(|()| out).map_err(|error| error.code)
    }

    #[test]
    fn a_date_must_exist_in_the_calendar() {
        assert_eq!(check(FieldKind::Date, "01/20/2019").as_deref(), Ok("2019-01-20"));
        assert_eq!(check(FieldKind::Date, "2/29/2024").as_deref(), Ok("2024-02-29"));
        assert_eq!(check(FieldKind::Date, "12/31/9999").as_deref(), Ok("9999-12-31"));
        for bad in [
            "31.02.2024",
            "13/31/2024",
            "02/29/2023",
            "02/29/1900",
            "02/30/2024",
            "2019-01-20",
            "1/1/0000",
            "٠1/20/2019",
            "+1/20/2019",
            "00/10/2020",
            "0000-00-00",
            "1/1/99999",
            "01/01/20",
            "1/1/2020/1",
            "Dev",
        ] {
            assert_eq!(check(FieldKind::Date, bad), Err(RejectionCode::DateInvalid), "{bad}");
        }
    }
}
