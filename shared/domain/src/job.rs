//! The state of a job and what is decided about a file as a whole.

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::rejection::Rejection;

/// Which of the public APIs a file came through; it decides how the file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// The Spigit bulk API.
    Spigit,
    /// The users-import API of the Collaborator LMS.
    Collaborator,
}

impl Dialect {
    /// The dialect as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spigit => "spigit",
            Self::Collaborator => "collaborator",
        }
    }

    /// Reads a dialect that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Spigit, Self::Collaborator].into_iter().find(|dialect| dialect.as_str() == text)
    }
}

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma- or semicolon-separated values, whichever the dialect has.
    Csv,
    /// A JSON array of objects.
    Json,
}

impl Format {
    /// The format as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// Reads a format that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Csv, Self::Json].into_iter().find(|format| format.as_str() == text)
    }
}

/// In which encoding the text of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charset {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16, the lower byte first, with a byte order mark.
    Utf16Le,
    /// UTF-16, the higher byte first, with a byte order mark.
    Utf16Be,
    /// The Cyrillic code page of Windows.
    Windows1251,
}

impl Charset {
    const ALL: [Self; 4] = [Self::Utf8, Self::Utf16Le, Self::Utf16Be, Self::Windows1251];

    /// The charset by its registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Windows1251 => "windows-1251",
        }
    }

    /// Reads a charset that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|charset| charset.as_str() == text)
    }
}

/// What becomes of rows that are short or have an optional value that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// They fail.
    Strict,
    /// Missing trailing cells are empty; an optional value that cannot be read is left out and
    /// counted as a warning.
    Lenient,
}

impl Handling {
    /// The handling as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Lenient => "lenient",
        }
    }

    /// Reads a handling from text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "strict" => Some(Self::Strict),
            "lenient" => Some(Self::Lenient),
            _ => None,
        }
    }
}

/// The state of a job, in the words of the Spigit API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JobState {
    /// Accepted and stored; not begun.
    Pending,
    /// Being split or applied.
    Processing,
    /// Read to its end, even if rows failed.
    Success,
    /// Unusable, unreadable past some line, or no row was good.
    Failed,
    /// Stopped on request.
    Canceled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Success, Self::Failed, Self::Canceled];

    /// The state as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Processing => "PROCESSING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Reads a state from text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Canceled)
    }

    /// The final state of a job whose batches are all in the ledger.
    pub const fn of_finished(counts: &Counts, file_unreadable: bool) -> Self {
        let no_row_good = counts.failed > 0 && counts.failed == counts.rows();
        if file_unreadable || no_row_good { Self::Failed } else { Self::Success }
    }
}

/// How many rejections `error_message` lists; the rest is only counted.
pub const LISTED_REJECTIONS: usize = 100;

/// The text of `error_message`: what ended the file early, then the first rejections, then how
/// many more there are. `No errors` when there is nothing to say.
pub fn error_message(file_error: Option<&Rejection>, first: &[Rejection], failed: u64) -> String {
    let listed = &first[..first.len().min(LISTED_REJECTIONS)];
    let mut parts: Vec<String> = file_error.into_iter().chain(listed).map(Rejection::sentence).collect();
    let more = failed.saturating_sub(listed.len() as u64);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    if parts.is_empty() { "No errors".to_owned() } else { parts.join("; ") }
}

/// The text of `error_message` once the rejections were removed.
pub fn error_message_without_rows(file_error: Option<&Rejection>, failed: u64) -> String {
    let rows = (failed > 0).then(|| format!("failed rows: {failed}; what was wrong with them is no longer kept"));
    let parts: Vec<String> = file_error.map(Rejection::sentence).into_iter().chain(rows).collect();
    if parts.is_empty() { "No errors".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::RejectionCode;

    fn rejection(line: u64) -> Rejection {
        Rejection::new(line, None, RejectionCode::ValueEmpty, "EMAIL is missing")
    }

    #[test]
    fn the_message_lists_a_hundred_and_counts_the_rest() {
        assert_eq!(error_message(None, &[], 0), "No errors");
        assert_eq!(error_message(None, &[rejection(3)], 1), "Line 3: EMAIL is missing");
        let many: Vec<_> = (0..120).map(rejection).collect();
        let message = error_message(Some(&rejection(9)), &many, 250);
        assert!(message.starts_with("Line 9: EMAIL is missing; Line 0: "));
        assert!(message.ends_with("Line 99: EMAIL is missing; and 150 more"));
    }

    #[test]
    fn the_message_says_that_the_rejections_are_gone() {
        let gone = "failed rows: 2; what was wrong with them is no longer kept";
        assert_eq!(error_message_without_rows(None, 0), "No errors");
        assert_eq!(error_message_without_rows(None, 2), gone);
        let unreadable = rejection(9);
        assert_eq!(error_message_without_rows(Some(&unreadable), 2), format!("Line 9: EMAIL is missing; {gone}"));
    }

    #[test]
    fn a_file_fails_only_if_unreadable_or_without_a_good_row() {
        let counts = |created, failed| Counts { created, failed, ..Counts::default() };
        assert_eq!(JobState::of_finished(&counts(0, 0), false), JobState::Success);
        assert_eq!(JobState::of_finished(&counts(1, 5), false), JobState::Success);
        assert_eq!(JobState::of_finished(&counts(0, 5), false), JobState::Failed);
        assert_eq!(JobState::of_finished(&counts(5, 0), true), JobState::Failed);
    }

    #[test]
    fn names_read_back() {
        for state in JobState::ALL {
            assert_eq!(JobState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for handling in [Handling::Strict, Handling::Lenient] {
            assert_eq!(Handling::parse(handling.as_str()), Some(handling));
        }
        for dialect in [Dialect::Spigit, Dialect::Collaborator] {
            assert_eq!(Dialect::parse(dialect.as_str()), Some(dialect));
        }
        for format in [Format::Csv, Format::Json] {
            assert_eq!(Format::parse(format.as_str()), Some(format));
        }
        for charset in Charset::ALL {
            assert_eq!(Charset::parse(charset.as_str()), Some(charset));
        }
    }
}
