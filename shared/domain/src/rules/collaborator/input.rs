//! The value of a row for a key, from a CSV cell or a JSON object.

use std::borrow::Cow;

use serde_json::Value;

use crate::rejection::RejectionCode;
use crate::text::ValueError;
use crate::{invisible, spreadsheet};

/// A value before it is checked.
#[derive(Clone, Debug)]
pub(super) enum Input<'a> {
    /// No value: the key is absent or null, or the row has no such cell.
    Absent,
    /// A CSV cell or a JSON string, trimmed; may be empty.
    Text(Cow<'a, str>),
    /// A JSON value of another type.
    Other(&'a Value),
}

impl<'a> Input<'a> {
    pub(super) fn from_cell(cell: Cow<'a, [u8]>) -> Result<Self, ValueError> {
        let not_utf8 = || ValueError { code: RejectionCode::Utf8Invalid, problem: "is not UTF-8".to_owned() };
        let text = match cell {
            Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| not_utf8())?),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| not_utf8())?),
        };
        Ok(Self::Text(match text {
            Cow::Borrowed(text) => Cow::Borrowed(spreadsheet::formula_text(invisible::trim(text))),
            Cow::Owned(text) => Cow::Owned(spreadsheet::formula_text(invisible::trim(&text)).to_owned()),
        }))
    }

    pub(super) fn from_json(value: Option<&'a Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(text)) => Self::Text(Cow::Borrowed(invisible::trim(text))),
            Some(other) => Self::Other(other),
        }
    }

    /// The value without invisible characters: one that is compared.
    pub(super) fn visible(self) -> Self {
        match self {
            Self::Text(Cow::Borrowed(text)) => Self::Text(invisible::remove(text)),
            Self::Text(Cow::Owned(text)) => Self::Text(Cow::Owned(invisible::remove(&text).into_owned())),
            other => other,
        }
    }
}
