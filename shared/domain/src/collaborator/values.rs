//! Checks on single values.

use serde_json::Value;

use super::given::Given;
use crate::batch::{CheckedBatch, Span, SpanCell};
use crate::rejection::RejectionCode;
use crate::text::{self, ValueError, missing, refuse};

/// Characters of a password at most.
const MAX_PASSWORD: usize = 1024;
/// Characters of a JSON value at most.
const MAX_JSON: usize = 64 * 1024;

/// What a value must be, and what an empty one means.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Text of so many characters at most; empty clears.
    Text(usize),
    /// The same; empty is a fault.
    Required(usize),
    /// The same; empty leaves what is stored.
    Kept(usize),
    /// An e-mail address; empty leaves what is stored.
    Email,
    /// `DD.MM.YYYY` or `YYYY-MM-DD`; empty clears.
    Date,
    /// 0 or 1; empty leaves what is stored.
    Gender,
    /// A whole number; empty leaves what is stored.
    Number,
    /// Several texts; in a cell they are separated by commas; empty clears.
    List,
    /// A JSON value, or a text that is one; empty leaves what is stored.
    Json,
}

/// What a row says about a field.
pub(super) fn cell(kind: Kind, given: &Given<'_>, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
    let text = match (kind, given) {
        (_, Given::Absent) => return Ok(SpanCell::Keep),
        (Kind::List, _) => return set_or_clear(&list(given)?, batch),
        (_, Given::Cell("") | Given::Text("")) => return if_empty(kind),
        (Kind::Json, _) => json(given)?,
        (Kind::Gender | Kind::Number, Given::Other(Value::Number(number))) => {
            return number_cell(kind, &number.to_string(), batch);
        }
        (_, Given::Other(_)) => {
            return refuse(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string");
        }
        (Kind::Gender | Kind::Number, Given::Cell(text) | Given::Text(text)) => return number_cell(kind, text, batch),
        (Kind::Date, Given::Cell(text) | Given::Text(text)) => date(text)?,
        (_, Given::Cell(text) | Given::Text(text)) => (*text).to_owned(),
    };
    match kind {
        Kind::Text(limit) | Kind::Required(limit) | Kind::Kept(limit) => text::check_length(&text, limit)?,
        Kind::Json => text::check_length(&text, MAX_JSON)?,
        Kind::Email => text::check_email(&text)?,
        Kind::Date | Kind::Gender | Kind::Number | Kind::List => {}
    }
    set(&text, batch)
}

fn if_empty(kind: Kind) -> Result<SpanCell, ValueError> {
    match kind {
        Kind::Required(_) => Err(missing()),
        Kind::Text(_) | Kind::Date | Kind::List => Ok(SpanCell::Clear),
        Kind::Kept(_) | Kind::Email | Kind::Gender | Kind::Number | Kind::Json => Ok(SpanCell::Keep),
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
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    match (kind, number) {
        (Kind::Gender, Some(0 | 1)) | (Kind::Number, Some(0..)) => set(text, batch),
        (Kind::Gender, _) => refuse(RejectionCode::GenderInvalid, "must be 0 (male) or 1 (female)"),
        _ => refuse(RejectionCode::ValueInvalid, "must be a whole number"),
    }
}

/// Reads both forms of a date and gives `YYYY-MM-DD`.
fn date(value: &str) -> Result<String, ValueError> {
    let (separator, is_iso) = if value.contains('.') { ('.', false) } else { ('-', true) };
    let parts: Vec<&str> = value.split(separator).collect();
    let (year, month, day) = match parts[..] {
        [year, month, day] if is_iso => (year, month, day),
        [day, month, year] => (year, month, day),
        _ => ("", "", ""),
    };
    match (text::digits(year, 4..=4), text::digits(month, 1..=2), text::digits(day, 1..=2)) {
        (Some(year), Some(month), Some(day)) if text::is_calendar_date(year, month, day) => {
            Ok(format!("{year:04}-{month:02}-{day:02}"))
        }
        _ => refuse(RejectionCode::DateInvalid, "is not a date of the form DD.MM.YYYY or YYYY-MM-DD"),
    }
}

/// The texts of a list as given, without empty and repeated ones.
fn list(given: &Given<'_>) -> Result<Vec<String>, ValueError> {
    let wrong =
        || refuse(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string or a list of strings");
    let items: Vec<&str> = match given {
        Given::Absent => Vec::new(),
        Given::Cell(text) | Given::Text(text) => text.split(',').collect(),
        Given::Other(Value::Array(items)) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let Some(texts) = texts else { return wrong() };
            texts
        }
        Given::Other(_) => return wrong(),
    };
    let mut list: Vec<String> = Vec::with_capacity(items.len());
    for item in items.into_iter().map(str::trim).filter(|item| !item.is_empty()) {
        text::check_length(item, 1024)?;
        text::check_characters(item)?;
        if !list.iter().any(|known| known == item) {
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
    text::check_length(&text, MAX_JSON)?;
    set(&text, batch)
}

fn json(given: &Given<'_>) -> Result<String, ValueError> {
    match given {
        Given::Cell(text) | Given::Text(text) => match serde_json::from_str::<Value>(text) {
            Ok(value) => storable(&value),
            Err(_) => refuse(RejectionCode::JsonInvalid, "is not valid JSON"),
        },
        Given::Other(value @ (Value::Object(_) | Value::Array(_))) => storable(value),
        Given::Other(_) | Given::Absent => {
            refuse(RejectionCode::TypeInvalid, "has the wrong JSON type; expected an object or a text that is JSON")
        }
    }
}

/// Postgres has no place for the character U+0000, not even escaped.
fn storable(value: &Value) -> Result<String, ValueError> {
    let text = value.to_string();
    if text.contains("\\u0000") { refuse(RejectionCode::NulByte, "has a NUL character") } else { Ok(text) }
}

/// The password, if there is one.
pub(super) fn password(given: &Given<'_>, batch: &mut CheckedBatch) -> Result<Option<Span>, ValueError> {
    match given {
        Given::Absent | Given::Cell("") | Given::Text("") => Ok(None),
        Given::Cell(text) | Given::Text(text) => {
            text::check_length(text, MAX_PASSWORD)?;
            batch
                .append(|out| {
                    out.push_str(text);
                    Ok(())
                })
                .map(Some)
        }
        Given::Other(_) => refuse(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string"),
    }
}

/// Nothing for an active user; otherwise which of the three reasons.
pub(super) fn status(given: &Given<'_>) -> Result<Option<usize>, ValueError> {
    let number = match given {
        Given::Absent | Given::Cell("") | Given::Text("") => return Ok(None),
        Given::Cell(text) | Given::Text(text) => (*text).to_owned(),
        Given::Other(Value::Number(number)) => number.to_string(),
        Given::Other(_) => return refuse(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a number"),
    };
    match number.as_str() {
        "0" => Ok(None),
        "1" => Ok(Some(0)),
        "2" => Ok(Some(1)),
        "3" => Ok(Some(2)),
        _ => refuse(
            RejectionCode::StatusInvalid,
            "must be 0 (working), 1 (dismissed), 2 (maternity leave) or 3 (sick leave)",
        ),
    }
}

/// Whether the user may be active.
pub(super) fn is_active(given: &Given<'_>) -> Result<bool, ValueError> {
    let number = match given {
        Given::Absent | Given::Cell("") | Given::Text("") => return Ok(true),
        Given::Other(Value::Bool(active)) => return Ok(*active),
        Given::Cell(text) | Given::Text(text) => (*text).to_owned(),
        Given::Other(Value::Number(number)) => number.to_string(),
        Given::Other(_) => return refuse(RejectionCode::TypeInvalid, "has the wrong JSON type; expected 0 or 1"),
    };
    match number.as_str() {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => refuse(RejectionCode::ValueInvalid, "must be 1 (active) or 0 (blocked)"),
    }
}
