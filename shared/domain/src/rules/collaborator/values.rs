//! Checks on single values of a Collaborator row.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::input::Input;
use crate::batch::{CheckedBatch, Span, SpanCell};
use crate::rejection::RejectionCode;
use crate::text::{self, ValueError, invalid, value_missing};
use crate::{email, spreadsheet};

/// Maximum length of a uid and a login in characters.
pub(super) const MAX_IDENTIFIER_CHARS: usize = 255;
/// Maximum length of a password in characters.
const MAX_PASSWORD_CHARS: usize = 1024;
/// Maximum length of a JSON value in characters.
const MAX_JSON_CHARS: usize = 64 * 1024;
/// Maximum number of items in a list, and of characters in one of them.
const MAX_LIST_ITEMS: usize = 1000;
const MAX_LIST_ITEM_CHARS: usize = 1024;

/// What a value must be, and what an empty value means.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Text up to this number of characters; an empty value clears the stored one.
    Text(usize),
    /// Text up to this number of characters; an empty value is an error.
    RequiredText(usize),
    /// A uid or login, up to [`MAX_IDENTIFIER_CHARS`] characters; an empty value is an error.
    Identifier,
    /// Text up to this number of characters; an empty value keeps the stored one.
    UnclearableText(usize),
    /// An e-mail address; an empty value keeps the stored one.
    Email,
    /// `DD.MM.YYYY` or `YYYY-MM-DD`; an empty value clears the stored one.
    Date,
    /// 0 or 1; an empty value keeps the stored one.
    Gender,
    /// A whole number; an empty value keeps the stored one.
    Number,
    /// A list of texts, separated by commas in a cell; an empty list clears the stored one.
    List,
    /// An object or array, or a text that contains JSON; an empty value keeps the stored one.
    Json,
}

impl Kind {
    /// Whether digits in a column of this kind are a text.
    pub(super) fn is_text(self) -> bool {
        !matches!(self, Self::Date | Self::Gender | Self::Number)
    }
}

/// Checks the value of a field.
pub(super) fn check_field(kind: Kind, input: &Input<'_>, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
    let text = match (kind, input) {
        (_, Input::Absent) => return Ok(SpanCell::Keep),
        (Kind::List, _) => return set_or_clear(&list(input)?, batch),
        (_, Input::Text(text)) if text.is_empty() => return empty_cell(kind),
        (Kind::Json, _) => Cow::Owned(json(input)?),
        (Kind::Gender | Kind::Number, Input::Other(Value::Number(number))) => {
            return number_cell(kind, &number.to_string(), batch);
        }
        // As it is written: numbers keep their digits.
        (
            Kind::Text(_) | Kind::RequiredText(_) | Kind::Identifier | Kind::UnclearableText(_),
            Input::Other(Value::Number(number)),
        ) => Cow::Owned(number.to_string()),
        (_, Input::Other(_)) => {
            return invalid(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string");
        }
        (Kind::Gender | Kind::Number, Input::Text(text)) => return number_cell(kind, text, batch),
        (Kind::Date, Input::Text(text)) => Cow::Owned(date(text)?),
        (_, Input::Text(text)) => Cow::Borrowed(text.as_ref()),
    };
    match kind {
        Kind::Text(limit) | Kind::RequiredText(limit) | Kind::UnclearableText(limit) => {
            text::check_length(&text, limit)?;
        }
        Kind::Identifier => {
            text::check_length(&text, MAX_IDENTIFIER_CHARS)?;
            spreadsheet::check_identifier(&text)?;
        }
        Kind::Json => text::check_length(&text, MAX_JSON_CHARS)?,
        Kind::Email => email::check(&text)?,
        Kind::Date | Kind::Gender | Kind::Number | Kind::List => {}
    }
    set(&text, batch)
}

fn empty_cell(kind: Kind) -> Result<SpanCell, ValueError> {
    match kind {
        Kind::RequiredText(_) | Kind::Identifier => Err(value_missing()),
        Kind::Text(_) | Kind::Date | Kind::List => Ok(SpanCell::Clear),
        Kind::UnclearableText(_) | Kind::Email | Kind::Gender | Kind::Number | Kind::Json => Ok(SpanCell::Keep),
    }
}

fn set(text: &str, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
    let span = batch.append(|out| {
        text::check_characters(text)?;
        out.push_str(text);
        Ok(())
    });
    span.map(SpanCell::Set)
}

fn number_cell(kind: Kind, text: &str, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
    let text = without_zero_fraction(text);
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    match (kind, number) {
        (Kind::Gender, Some(0 | 1)) | (Kind::Number, Some(0..)) => set(text, batch),
        (Kind::Gender, _) => invalid(RejectionCode::GenderInvalid, "must be 0 (male) or 1 (female)"),
        _ => invalid(RejectionCode::ValueInvalid, "must be a whole number"),
    }
}

/// A whole number without the `.0` that some programs write after it.
fn without_zero_fraction(number: &str) -> &str {
    number.strip_suffix(".0").unwrap_or(number)
}

/// Whether the text is a date of one of the two forms.
pub(super) fn is_date(text: &str) -> bool {
    date(text).is_ok()
}

/// Parses `DD.MM.YYYY` or `YYYY-MM-DD` and returns `YYYY-MM-DD`.
fn date(value: &str) -> Result<String, ValueError> {
    let (separator, is_iso) = if value.contains('.') { ('.', false) } else { ('-', true) };
    let parts: Vec<&str> = value.split(separator).collect();
    let (year, month, day) = match parts[..] {
        [year, month, day] if is_iso => (year, month, day),
        [day, month, year] => (year, month, day),
        _ => ("", "", ""),
    };
    match (text::parse_digits(year, 4..=4), text::parse_digits(month, 1..=2), text::parse_digits(day, 1..=2)) {
        (Some(year), Some(month), Some(day)) if text::is_calendar_date(year, month, day) => {
            Ok(format!("{year:04}-{month:02}-{day:02}"))
        }
        _ => invalid(RejectionCode::DateInvalid, "is not a date of the form DD.MM.YYYY or YYYY-MM-DD"),
    }
}

/// The texts of a list in their order, without empty and repeated ones. Every limit is checked before the work that it
/// limits, so that no cell costs more than a linear amount of work.
fn list(input: &Input<'_>) -> Result<Vec<String>, ValueError> {
    let wrong_type =
        || invalid(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string or a list of strings");
    let items: Vec<&str> = match input {
        Input::Absent => Vec::new(),
        Input::Text(text) => {
            text::check_length(text, MAX_JSON_CHARS)?;
            text.split(',').collect()
        }
        Input::Other(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let Some(texts) = texts else { return wrong_type() };
            texts
        }
        Input::Other(_) => return wrong_type(),
    };
    let mut seen = HashSet::new();
    let mut list = Vec::new();
    for item in items.into_iter().map(str::trim).filter(|item| !item.is_empty()) {
        text::check_length(item, MAX_LIST_ITEM_CHARS)?;
        text::check_characters(item)?;
        if seen.insert(item) {
            if list.len() == MAX_LIST_ITEMS {
                return invalid(RejectionCode::ValueTooLong, format!("has more than {MAX_LIST_ITEMS} items"));
            }
            list.push(item.to_owned());
        }
    }
    Ok(list)
}

fn set_or_clear(list: &[String], batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
    if list.is_empty() {
        return Ok(SpanCell::Clear);
    }
    let text = Value::from(list).to_string();
    text::check_length(&text, MAX_JSON_CHARS)?;
    set(&text, batch)
}

fn json(input: &Input<'_>) -> Result<String, ValueError> {
    match input {
        Input::Text(text) => match serde_json::from_str::<Value>(text) {
            Ok(value) => storable_json(&value),
            Err(_) => invalid(RejectionCode::JsonInvalid, "is not valid JSON"),
        },
        Input::Other(value @ (Value::Object(_) | Value::Array(_))) => storable_json(value),
        Input::Other(_) | Input::Absent => invalid(
            RejectionCode::TypeInvalid,
            "has the wrong JSON type; expected an object, a list or a string that contains JSON",
        ),
    }
}

/// The JSON text, unless it contains the character U+0000, which Postgres cannot store even if it is escaped.
fn storable_json(value: &Value) -> Result<String, ValueError> {
    if has_nul(value) {
        return invalid(RejectionCode::NulByte, "has a NUL character");
    }
    Ok(value.to_string())
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(entries) => entries.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Checks the password and appends it to the text of the batch; `None` if there is none.
pub(super) fn password(input: &Input<'_>, batch: &mut CheckedBatch) -> Result<Option<Span>, ValueError> {
    match input {
        Input::Absent => Ok(None),
        Input::Text(text) if text.is_empty() => Ok(None),
        Input::Text(text) => {
            text::check_length(text, MAX_PASSWORD_CHARS)?;
            Ok(Some(batch.push_text(text)))
        }
        Input::Other(_) => invalid(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string"),
    }
}

/// Why a row blocks its user. The stores block missing users for the further reason `missing`.
#[derive(Clone, Copy)]
pub(super) enum BlockReason {
    Dismissed,
    MaternityLeave,
    SickLeave,
    Inactive,
}

impl BlockReason {
    /// The value of [`Field::BlockedReason`](crate::Field::BlockedReason).
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Dismissed => "dismissed",
            Self::MaternityLeave => "maternity_leave",
            Self::SickLeave => "sick_leave",
            Self::Inactive => "inactive",
        }
    }
}

/// Why the status blocks the user; `None` if it does not.
pub(super) fn blocked_by_status(input: &Input<'_>) -> Result<Option<BlockReason>, ValueError> {
    let number = match input {
        Input::Absent => return Ok(None),
        Input::Text(text) => text.to_string(),
        Input::Other(Value::Number(number)) => number.to_string(),
        Input::Other(_) => return invalid(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a number"),
    };
    match without_zero_fraction(&number) {
        "" | "0" => Ok(None),
        "1" => Ok(Some(BlockReason::Dismissed)),
        "2" => Ok(Some(BlockReason::MaternityLeave)),
        "3" => Ok(Some(BlockReason::SickLeave)),
        _ => invalid(
            RejectionCode::StatusInvalid,
            "must be 0 (working), 1 (dismissed), 2 (maternity leave) or 3 (sick leave)",
        ),
    }
}

/// Why `is_active` blocks the user; `None` if it does not.
pub(super) fn blocked_by_is_active(input: &Input<'_>) -> Result<Option<BlockReason>, ValueError> {
    let number = match input {
        Input::Absent | Input::Other(Value::Bool(true)) => return Ok(None),
        Input::Other(Value::Bool(false)) => return Ok(Some(BlockReason::Inactive)),
        Input::Text(text) => text.to_ascii_lowercase(),
        Input::Other(Value::Number(number)) => number.to_string(),
        Input::Other(_) => return invalid(RejectionCode::TypeInvalid, "has the wrong JSON type; expected 0 or 1"),
    };
    match without_zero_fraction(&number) {
        "0" | "false" => Ok(Some(BlockReason::Inactive)),
        "" | "1" | "true" => Ok(None),
        _ => invalid(RejectionCode::ValueInvalid, "must be 1 or true (active), or 0 or false (blocked)"),
    }
}
