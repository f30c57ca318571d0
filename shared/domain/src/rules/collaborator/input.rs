//! The value of a row for a key, from a CSV cell or a JSON object.

use serde_json::Value;

use crate::rejection::RejectionCode;
use crate::text::ValueError;

/// A value before it is checked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'a> {
    /// No value: the key is absent or null, or the row has no such cell.
    Absent,
    /// A CSV cell, trimmed; may be empty.
    Cell(&'a str),
    /// A JSON string, trimmed; may be empty.
    Text(&'a str),
    /// A JSON value of another type.
    Other(&'a Value),
}

impl<'a> Input<'a> {
    pub(super) fn from_cell(bytes: &'a [u8]) -> Result<Self, ValueError> {
        let not_utf8 = |_| ValueError { code: RejectionCode::Utf8Invalid, problem: "is not UTF-8".to_owned() };
        Ok(Self::Cell(std::str::from_utf8(bytes).map_err(not_utf8)?.trim()))
    }

    pub(super) fn from_json(value: Option<&'a Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(text)) => Self::Text(text.trim()),
            Some(other) => Self::Other(other),
        }
    }

    /// The text of a cell or string.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Cell(text) | Self::Text(text) => Some(text),
            Self::Absent | Self::Other(_) => None,
        }
    }
}
