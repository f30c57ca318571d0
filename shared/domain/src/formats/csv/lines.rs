//! Physical lines, and lines that no record could be read from.

use crate::rejection::RejectionCode;

/// Why a line is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineProblem {
    /// A quote opens a value and none closes it.
    QuoteUnclosed,
    /// A quote opens a value that is closed only after a line which is a row itself.
    RowInQuotes,
    /// A quote stands inside an unquoted value, or text follows a closing quote.
    QuoteMisplaced,
    /// The record spans several lines and has too many or too few values.
    ValueCount,
    /// The record is larger than the limit.
    TooLarge,
}

impl LineProblem {
    const ALL: [Self; 5] =
        [Self::QuoteUnclosed, Self::RowInQuotes, Self::QuoteMisplaced, Self::ValueCount, Self::TooLarge];

    /// The problem as a letter, for messages.
    pub const fn as_letter(self) -> char {
        match self {
            Self::QuoteUnclosed => 'u',
            Self::RowInQuotes => 'r',
            Self::QuoteMisplaced => 'm',
            Self::ValueCount => 'c',
            Self::TooLarge => 'l',
        }
    }

    /// Parses what [`as_letter`](Self::as_letter) returned.
    pub fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.as_letter() == letter)
    }

    /// The code of the rejection.
    pub const fn code(self) -> RejectionCode {
        match self {
            Self::QuoteUnclosed | Self::RowInQuotes => RejectionCode::QuoteUnclosed,
            Self::QuoteMisplaced => RejectionCode::QuoteMisplaced,
            Self::ValueCount => RejectionCode::ColumnCount,
            Self::TooLarge => RejectionCode::RecordTooLarge,
        }
    }
}

/// A line that no record could be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenLine {
    /// The physical line.
    pub line: u64,
    /// Why it is broken.
    pub problem: LineProblem,
}

/// The size of the first line, line end included; `None` if more input is needed to find it.
pub(in crate::formats) fn first_line(text: &[u8], at_end: bool) -> Option<usize> {
    match memchr::memchr2(b'\r', b'\n', text) {
        Some(end) => line_end(text, end, at_end),
        None => at_end.then_some(text.len()),
    }
}

/// The position after the line end at `position`; `None` if it may be the first half of a CRLF.
pub(super) fn line_end(text: &[u8], position: usize, at_end: bool) -> Option<usize> {
    match (text[position], text.get(position + 1)) {
        (b'\r', Some(b'\n')) => Some(position + 2),
        (b'\r', None) if !at_end => None,
        _ => Some(position + 1),
    }
}
