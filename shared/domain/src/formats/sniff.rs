//! What is found out about an upload before it is accepted: where its rows start, or why it is refused.

use crate::file::RowsStart;
use crate::header::HeaderError;
use crate::scanner::RecordError;

/// Number of bytes of an upload that are checked before it is accepted.
pub const HEAD_BYTES: usize = 64 * 1024;

/// The separators that files have instead of the expected one.
pub(crate) const OTHER_DELIMITERS: [(char, &str); 4] =
    [(',', "commas"), (';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")];

/// The titles of a file, and where its rows start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The titles; empty if the file has none that are known.
    pub titles: Vec<String>,
    /// Where the rows start.
    pub start: RowsStart,
}

/// Why an upload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file contains only white space.
    #[error("the file is empty")]
    FileEmpty,
    /// The file is of another type.
    #[error("the file is {0}; expected CSV text")]
    NotCsv(&'static str),
    /// The file is a workbook that Muster does not read.
    #[error("the file is {0}; expected CSV text or an Excel workbook (.xlsx): save it as one of them")]
    Workbook(&'static str),
    /// The file is JSON.
    #[error(
        "the file is JSON; expected CSV text: send JSON as the body of a users-import call, with Content-Type: application/json"
    )]
    JsonText,
    /// The file ends with NUL characters.
    #[error("the file has NUL characters at its end, as after a crash while it was written; export it again")]
    NulPadding,
    /// The text is UTF-16 or UTF-32.
    #[error("the file is {0}; save it as CSV UTF-8")]
    CharsetUtf16(&'static str),
    /// Most of the text with other than ASCII characters is not UTF-8.
    #[error(
        "the file is not UTF-8: line {line} has an invalid byte in column {column}; save it as CSV UTF-8, or declare its \
         charset, for example Content-Type: text/csv; charset=windows-1252"
    )]
    Utf8Invalid {
        /// The first line with an invalid byte.
        line: u64,
        /// The number of the column in which it is, counted from 1.
        column: usize,
    },
    /// The charset is none that Collaborator files have.
    #[error("the charset of the file seems to be {0}; save the file as CSV UTF-8, or declare its charset")]
    CharsetUnknown(&'static str),
    /// The title line is invalid.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The file contains no users.
    #[error("the file contains no users")]
    NoUsers,
    /// The JSON text is invalid.
    #[error("{}", .0.problem)]
    Json(RecordError),
    /// The first line has no separator.
    #[error("the first line has no semicolon; expected titles separated by semicolons")]
    DelimiterMissing,
    /// The title line does not end within [`HEAD_BYTES`].
    #[error("the title line does not end within the first 64 KiB")]
    HeaderTooLong,
}

impl Refusal {
    /// The stable code, for metrics and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::FileEmpty | Self::NoUsers => "file_empty",
            Self::NotCsv(_) | Self::Workbook(_) | Self::JsonText | Self::NulPadding => "not_csv",
            Self::CharsetUtf16(_) => "encoding_utf16",
            Self::Utf8Invalid { .. } => "utf8_invalid",
            Self::CharsetUnknown(_) => "charset_unknown",
            Self::Header(error) => match error {
                HeaderError::ColumnMissing(_) => "column_missing",
                HeaderError::DelimiterSuspected(..) => "delimiter_suspected",
                HeaderError::ColumnDuplicate(..) => "column_duplicate",
                HeaderError::TooManyColumns(_) => "too_many_columns",
                HeaderError::PasswordColumn(_) => "column_forbidden",
                _ => "header_invalid",
            },
            Self::Json(_) => "json_invalid",
            Self::DelimiterMissing => "delimiter_suspected",
            Self::HeaderTooLong => "header_invalid",
        }
    }
}

/// The text without its byte order mark.
pub fn strip_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}
