//! The cells of a workbook in the CSV text that is made of it.
//!
//! A row of a sheet becomes a line of that text with the same number. What a cell is besides its text stands in front of it
//! as a mark. The mark starts with a control character, which the text of a workbook cannot have.

use std::borrow::Cow;

use crate::rejection::RejectionCode;
use crate::text::ValueError;

/// What every mark starts with.
const MARK: char = '\u{1}';
const FIRST_NUMBER: char = 'n';
const DATE: char = 'd';

/// What a line end in a cell is replaced by: the lines of the text are the rows of the sheet.
const LINE_END: &str = "\u{2028}";

/// Why the value of a cell is not what somebody has entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A number with a fraction.
    Fraction,
    /// A number of more digits than a workbook keeps.
    Digits,
    /// A truth value.
    Truth,
    /// The error of a formula.
    Error,
    /// A time without a date, or a date that does not exist.
    Time,
    /// A formula whose value was not saved.
    UnsavedFormula,
}

impl Damage {
    const ALL: [Self; 6] = [Self::Fraction, Self::Digits, Self::Truth, Self::Error, Self::Time, Self::UnsavedFormula];

    const fn letter(self) -> char {
        match self {
            Self::Fraction => 'f',
            Self::Digits => 'l',
            Self::Truth => 't',
            Self::Error => 'e',
            Self::Time => 'h',
            Self::UnsavedFormula => 'u',
        }
    }

    /// The predicate of a sentence about the cell.
    const fn describe(self) -> &'static str {
        match self {
            Self::Fraction => "is a number with a fraction; format the column as text and enter the value again",
            Self::Digits => {
                "is a number of more than 15 digits, of which a workbook loses some; format the column as text and enter the \
                 value again"
            }
            Self::Truth => "is a truth value; format the column as text and enter the value again",
            Self::Error => "is the error of a formula; correct the formula",
            Self::UnsavedFormula => {
                "is a formula whose value was not saved; open the workbook in a spreadsheet program and save it"
            }
            Self::Time => {
                "is a time or a date that does not exist; format the column as text and enter the value again"
            }
        }
    }
}

/// Appends the text of a cell. Line ends in it are kept as other characters.
pub fn push_text(text: &str, out: &mut String) {
    for (at, line) in text.split("\r\n").flat_map(|part| part.split(['\n', '\r'])).enumerate() {
        if at > 0 {
            out.push_str(LINE_END);
        }
        out.push_str(line);
    }
}

/// Appends the digits of a whole number. The first number of its column is marked, for a warning.
pub fn push_number(digits: &str, is_first: bool, out: &mut String) {
    if is_first {
        out.extend([MARK, FIRST_NUMBER]);
    }
    out.push_str(digits);
}

/// Appends a date of the form `YYYY-MM-DD`.
pub fn push_date(date: &str, out: &mut String) {
    out.extend([MARK, DATE]);
    out.push_str(date);
}

/// Appends a cell whose value is lost.
pub fn push_damage(damage: Damage, out: &mut String) {
    out.extend([MARK, damage.letter()]);
}

/// Whether a value has a mark.
pub(crate) fn is_marked(value: &str) -> bool {
    let letter = value.strip_prefix(MARK).and_then(|marked| marked.chars().next());
    let letters = Damage::ALL.map(Damage::letter);
    letter.is_some_and(|letter| letter == FIRST_NUMBER || letter == DATE || letters.contains(&letter))
}

/// The value without the mark of a number: what is compared with the same number in another row.
pub fn unmarked_number(value: &str) -> &str {
    value.strip_prefix(MARK).and_then(|rest| rest.strip_prefix(FIRST_NUMBER)).unwrap_or(value)
}

/// The content of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CellValue<'a> {
    /// Text, or digits.
    Text(Cow<'a, str>),
    /// The first number of its column.
    FirstNumber(&'a str),
    /// A date of the form `YYYY-MM-DD`.
    Date(&'a str),
}

/// Where a cell is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellPlace {
    /// The row of the sheet, counted from 1.
    pub(crate) line: u64,
    /// The column, counted from 0.
    pub(crate) position: usize,
}

impl CellPlace {
    /// The name of the cell, such as `B17`.
    fn name(self) -> String {
        let mut letters = Vec::new();
        let mut left = self.position + 1;
        while left > 0 {
            left -= 1;
            letters.push(char::from(b'A' + u8::try_from(left % 26).unwrap_or_default()));
            left /= 26;
        }
        letters.iter().rev().collect::<String>() + &self.line.to_string()
    }

    fn error(self, problem: &str) -> ValueError {
        ValueError { code: RejectionCode::ValueInvalid, problem: format!("in cell {} {problem}", self.name()) }
    }
}

/// Reads a cell. A date that stands in a column of another kind is an error.
pub(crate) fn read(value: &str, is_date_column: bool, place: CellPlace) -> Result<CellValue<'_>, ValueError> {
    let Some(marked) = value.strip_prefix(MARK) else {
        let text = if value.contains(LINE_END) { Cow::Owned(value.replace(LINE_END, "\n")) } else { value.into() };
        return Ok(CellValue::Text(text));
    };
    if let Some(digits) = marked.strip_prefix(FIRST_NUMBER) {
        return Ok(CellValue::FirstNumber(digits));
    }
    match marked.strip_prefix(DATE) {
        Some(date) if is_date_column => Ok(CellValue::Date(date)),
        Some(_) => Err(place.error("is a date; format the column as text and enter the value again")),
        None => {
            let damage = Damage::ALL.into_iter().find(|damage| marked.starts_with(damage.letter()));
            Err(place.error(damage.unwrap_or(Damage::Error).describe()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(is_date_column: bool, write: impl FnOnce(&mut String)) -> Result<String, String> {
        let mut out = String::new();
        write(&mut out);
        match read(&out, is_date_column, CellPlace { line: 17, position: 1 }) {
            Ok(CellValue::Text(text)) => Ok(text.into_owned()),
            Ok(CellValue::FirstNumber(digits)) => Ok(format!("first {digits}")),
            Ok(CellValue::Date(date)) => Ok(format!("date {date}")),
            Err(error) => Err(error.problem),
        }
    }

    #[test]
    fn cells_are_read_as_they_were_written() {
        assert_eq!(read_in(false, |out| push_text("Ada\r\nBerg\n\rx", out)).unwrap(), "Ada\nBerg\n\nx");
        assert_eq!(read_in(false, |out| push_number("42", false, out)).unwrap(), "42");
        assert_eq!(read_in(false, |out| push_number("42", true, out)).unwrap(), "first 42");
        assert_eq!(read_in(true, |out| push_date("2024-05-17", out)).unwrap(), "date 2024-05-17");
        let problem = "in cell B17 is a date; format the column as text and enter the value again";
        assert_eq!(read_in(false, |out| push_date("2024-05-17", out)).unwrap_err(), problem);
        for damage in Damage::ALL {
            let problem = read_in(true, |out| push_damage(damage, out)).unwrap_err();
            assert_eq!(problem, format!("in cell B17 {}", damage.describe()));
        }
        let mut first = String::new();
        push_number("42", true, &mut first);
        assert_eq!([unmarked_number(&first), unmarked_number("42")], ["42", "42"]);
    }

    #[test]
    fn cells_have_the_names_that_a_spreadsheet_shows() {
        for (position, name) in [(0, "A1"), (25, "Z1"), (26, "AA1"), (701, "ZZ1"), (702, "AAA1"), (16_383, "XFD1")] {
            assert_eq!(CellPlace { line: 1, position }.name(), name);
        }
    }
}
