//! The rows that are JSON objects.

use std::borrow::Cow;

use serde_json::Value;

use super::clean_uid;
use super::input::Input;
use super::keys::{KEYS, is_key};
use super::row::{RowError, RowPosition, check_row, check_values};
use crate::batch::CheckedBatch;
use crate::json_array::JsonArrayScanner;
use crate::rejection::RejectionCode;
use crate::rules::BatchRecords;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::text::ValueError;

/// What a JSON object says of the user of the row; absent values and values of a wrong type are `None`.
#[derive(Debug, Default)]
pub struct JsonKeys {
    /// The uid, which identifies the user.
    pub uid: Option<String>,
    /// The e-mail.
    pub email: Option<String>,
    /// The login.
    pub login: Option<String>,
}

/// What a JSON object says of the user of the row.
pub fn keys_of_json(object: &[u8]) -> JsonKeys {
    let Ok(value) = serde_json::from_slice::<Value>(object) else { return JsonKeys::default() };
    let text = |name| match value.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let uid = text("uid").as_deref().and_then(clean_uid).map(Cow::into_owned);
    JsonKeys { uid, email: text("email"), login: text("login") }
}

/// The keys of an object that are none of the API's.
pub fn unknown_keys(object: &[u8]) -> Vec<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(object) else { return Vec::new() };
    object.into_iter().map(|(key, _)| key).filter(|key| !is_key(key)).collect()
}

pub(super) fn check_json(limits: RecordLimits, records: &BatchRecords<'_>, batch: &mut CheckedBatch) {
    let mut scanner = JsonArrayScanner::sequence(limits, records.first_row);
    let mut rest = records.text;
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                let position = RowPosition { line: scanner.line(), row: scanner.line(), lines: 1 };
                check_object(position, scanner.raw(), batch);
            }
            Ok(Scan::End | Scan::NeedInput) => return,
            Err(error) => return batch.push_rejection(error.into()),
        }
    }
}

pub(super) fn check_object(position: RowPosition, text: &[u8], batch: &mut CheckedBatch) {
    check_row(position, "", batch, |batch, uid| {
        let value: Value = serde_json::from_slice(text).map_err(|_| not_json(text))?;
        let object = value.as_object().ok_or_else(not_an_object)?;
        let inputs = KEYS.each_ref().map(|(name, _)| Input::from_json(object.get(*name)));
        *uid = keys_of_json(text).uid;
        check_values(position, inputs, batch).map_err(|error| name_other_case(error, object))
    });
}

/// Adds to the error of a missing value that the object has its key in another case.
fn name_other_case((name, mut error): RowError, object: &serde_json::Map<String, Value>) -> RowError {
    let has_other_case =
        |name: &str| !object.contains_key(name) && object.keys().any(|key| key.eq_ignore_ascii_case(name));
    if let Some(name) = name.filter(|name| has_other_case(name)) {
        error.problem.push_str("; the object has the key in another case: expected ");
        error.problem.push_str(name);
    }
    (name, error)
}

fn not_json(text: &[u8]) -> RowError {
    let problem = match std::str::from_utf8(text) {
        Ok(_) => "is not valid JSON",
        Err(_) => "is not valid JSON: it is not UTF-8, the charset of JSON",
    };
    (None, ValueError { code: RejectionCode::JsonInvalid, problem: problem.to_owned() })
}

fn not_an_object() -> RowError {
    (None, ValueError { code: RejectionCode::TypeInvalid, problem: "is not a JSON object".to_owned() })
}
