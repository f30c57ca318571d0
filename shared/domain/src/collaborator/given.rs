//! What a row gives for a key, whether it is a cell or a JSON value.

use serde_json::Value;

use crate::rejection::RejectionCode;
use crate::text::ValueError;

/// A value as it was given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'a> {
    /// Nothing: no such key, null, or a cell beyond the row's end.
    Absent,
    /// A cell of a CSV file, trimmed; may be empty.
    Cell(&'a str),
    /// A JSON string, trimmed; may be empty.
    Text(&'a str),
    /// Another JSON value.
    Other(&'a Value),
}

impl<'a> Given<'a> {
    pub(super) fn cell(bytes: &'a [u8]) -> Result<Self, ValueError> {
        let not_utf8 = |_| ValueError { code: RejectionCode::Utf8Invalid, problem: "is not UTF-8".to_owned() };
        Ok(Self::Cell(std::str::from_utf8(bytes).map_err(not_utf8)?.trim()))
    }

    pub(super) fn value(value: Option<&'a Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(text)) => Self::Text(text.trim()),
            Some(other) => Self::Other(other),
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Cell(text) | Self::Text(text) => Some(text),
            Self::Absent | Self::Other(_) => None,
        }
    }
}
