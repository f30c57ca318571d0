//! Why a row failed.

use serde::{Deserialize, Serialize};

/// The stable code of a rejection, shared by reports, metrics, tables and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The row has more or fewer values than the header has columns.
    ColumnCount,
    /// A required value is missing.
    ValueEmpty,
    /// A value is longer than its limit.
    ValueTooLong,
    /// A value is not UTF-8.
    Utf8Invalid,
    /// A value contains a NUL character, which Postgres cannot store.
    NulByte,
    /// A value contains a control character or one that changes the text direction.
    ControlChar,
    /// A value is not an e-mail address.
    EmailInvalid,
    /// A value is not a date in the expected format.
    DateInvalid,
    /// An unquoted value contains a quote, or text follows a closing quote.
    QuoteMisplaced,
    /// A quoted value has no closing quote; the file cannot be read after this line.
    QuoteUnclosed,
    /// A record is larger than the limit; the file cannot be read after this line.
    RecordTooLarge,
    /// A record has more lines than the limit; the file cannot be read after this line.
    RecordTooManyLines,
    /// The compressed file ends early or is damaged.
    CompressionInvalid,
    /// The decompressed file is larger than the limit.
    UnpackedTooLarge,
    /// Too many rows of the file have failed; the rest is not read.
    TooManyErrors,
    /// The stored upload is absent or differs from the bytes that were uploaded.
    RawMissing,
    /// The e-mail belongs to another user.
    ConflictEmail,
    /// A status is none of the known values.
    StatusInvalid,
    /// A gender is neither 0 nor 1.
    GenderInvalid,
    /// A value is none of the allowed values.
    ValueInvalid,
    /// A value or the file is not valid JSON.
    JsonInvalid,
    /// A JSON value has another type than expected.
    TypeInvalid,
    /// The login belongs to another user.
    ConflictLogin,
    /// The user would have too many attributes, or too large ones.
    AttributesTooLarge,
    /// The batch of the row could not be applied, or an internal error prevented the check of the row.
    NotApplied,
}

impl RejectionCode {
    /// Every code, in the order of the API documentation.
    pub const ALL: [Self; 25] = [
        Self::ColumnCount,
        Self::ValueEmpty,
        Self::ValueTooLong,
        Self::Utf8Invalid,
        Self::NulByte,
        Self::ControlChar,
        Self::EmailInvalid,
        Self::DateInvalid,
        Self::QuoteMisplaced,
        Self::QuoteUnclosed,
        Self::RecordTooLarge,
        Self::RecordTooManyLines,
        Self::CompressionInvalid,
        Self::UnpackedTooLarge,
        Self::TooManyErrors,
        Self::RawMissing,
        Self::ConflictEmail,
        Self::StatusInvalid,
        Self::GenderInvalid,
        Self::ValueInvalid,
        Self::JsonInvalid,
        Self::TypeInvalid,
        Self::ConflictLogin,
        Self::AttributesTooLarge,
        Self::NotApplied,
    ];

    /// The code as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ColumnCount => "column_count",
            Self::ValueEmpty => "value_empty",
            Self::ValueTooLong => "value_too_long",
            Self::Utf8Invalid => "utf8_invalid",
            Self::NulByte => "nul_byte",
            Self::ControlChar => "control_char",
            Self::EmailInvalid => "email_invalid",
            Self::DateInvalid => "date_invalid",
            Self::QuoteMisplaced => "quote_misplaced",
            Self::QuoteUnclosed => "quote_unclosed",
            Self::RecordTooLarge => "record_too_large",
            Self::RecordTooManyLines => "record_too_many_lines",
            Self::CompressionInvalid => "compression_invalid",
            Self::UnpackedTooLarge => "unpacked_too_large",
            Self::TooManyErrors => "too_many_errors",
            Self::RawMissing => "raw_missing",
            Self::ConflictEmail => "conflict_email",
            Self::StatusInvalid => "status_invalid",
            Self::GenderInvalid => "gender_invalid",
            Self::ValueInvalid => "value_invalid",
            Self::JsonInvalid => "json_invalid",
            Self::TypeInvalid => "type_invalid",
            Self::ConflictLogin => "conflict_login",
            Self::AttributesTooLarge => "attributes_too_large",
            Self::NotApplied => "not_applied",
        }
    }

    /// Parses a code that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }
}

/// The line and the reason of a failed row. The message never repeats values of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// The physical line on which the row starts, counted from 1.
    pub line: u64,
    /// The number of the record in its file, counted from 1; `None` if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// The title of the invalid column; `None` if the error concerns the whole row.
    pub column: Option<String>,
    /// The stable code.
    pub code: RejectionCode,
    /// The reason as a clause, such as `EMAIL is missing`.
    pub message: String,
    /// The user who has the e-mail or the login that the row wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Holder>,
}

/// A user who has the e-mail or the login that a row wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The id of the user.
    pub id: i64,
    /// The line of the same file that wrote the user last; `None` if another file did.
    pub line: Option<u64>,
    /// Whether the user is blocked.
    pub blocked: bool,
}

impl Rejection {
    /// Creates a rejection without a row number.
    pub fn new(line: u64, column: Option<String>, code: RejectionCode, message: impl Into<String>) -> Self {
        Self { line, row: None, column, code, message: message.into(), other: None }
    }

    /// Sets the row number.
    #[must_use]
    pub fn with_row(self, row: Option<u64>) -> Self {
        Self { row, ..self }
    }

    /// The form of the rejection in the `error_message` of a job: `Line 3: EMAIL is missing`.
    pub fn sentence(&self) -> String {
        format!("Line {}: {}{}", self.line, self.message, self.describe_other())
    }

    /// What is added to the message if another user has what the row wants.
    pub fn describe_other(&self) -> String {
        match self.other {
            None => String::new(),
            Some(Holder { id, line: Some(line), .. }) => format!(" (user {id}, written by line {line} of this file)"),
            Some(Holder { id, line: None, blocked: true }) => format!(" (user {id}, who is blocked)"),
            Some(Holder { id, line: None, blocked: false }) => format!(" (user {id})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_parse_back_and_match_their_json_form() {
        for code in RejectionCode::ALL {
            assert_eq!(RejectionCode::parse(code.as_str()), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
