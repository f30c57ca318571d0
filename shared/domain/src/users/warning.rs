//! What a row's report says although the row did not fail.

use serde::Serialize;

use crate::rejection::RejectionCode;

/// How many warnings of a batch are kept. All are counted.
pub const MAX_KEPT_WARNINGS: usize = 100;

/// Why there is a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningCode {
    /// Lenient handling left out a value that strict handling would have rejected with this code.
    ValueLeftOut(RejectionCode),
    /// A line that has titles was skipped.
    TitleLine,
    /// The row changes an e-mail that an earlier row of the same file has set.
    EmailChanged,
    /// The first whole number of a text column of a workbook: the other numbers of the column are taken as they are, too.
    NumberAsText,
}

impl WarningCode {
    const OTHERS: [Self; 3] = [Self::TitleLine, Self::EmailChanged, Self::NumberAsText];

    /// The code as text. That of a left out value is the code that its rejection would have.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValueLeftOut(code) => code.as_str(),
            Self::TitleLine => "title_line_skipped",
            Self::EmailChanged => "email_changed_in_file",
            Self::NumberAsText => "number_as_text",
        }
    }

    /// Parses a code that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        let other = Self::OTHERS.into_iter().find(|code| code.as_str() == text);
        other.or_else(|| RejectionCode::parse(text).map(Self::ValueLeftOut))
    }
}

impl Serialize for WarningCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that a row's author should know, although the row did not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The physical line, counted from 1.
    pub line: u64,
    /// The number of the record in its file, counted from 1; `None` for a line that is no record.
    pub row: Option<u64>,
    /// The title of the column; empty if the warning concerns the whole row.
    pub column: String,
    /// The code.
    pub code: WarningCode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_parse_back() {
        for code in WarningCode::OTHERS.into_iter().chain(RejectionCode::ALL.map(WarningCode::ValueLeftOut)) {
            assert_eq!(WarningCode::parse(code.as_str()), Some(code));
        }
        assert_eq!(WarningCode::parse("unknown"), None);
    }
}
