//! The rules of a row that is a JSON object. Its keys are titles, in any case; other keys are attributes. A key that is absent
//! or null leaves the stored value unchanged, an empty text clears it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{MAX_ATTRIBUTE_CHARS, PASSWORD_KEYS, broken_line};
use crate::batch::{CheckedBatch, RowSpans, SpanCell};
use crate::csv::CsvScanner;
use crate::field::{FIELD_COUNT, FIELDS, Field, FieldKind};
use crate::file::Handling;
use crate::header::{MAX_COLUMNS, MAX_TITLE_CHARS, is_visible_title};
use crate::rejection::RejectionCode;
use crate::rules::CheckRules;
use crate::scanner::Scanner;
use crate::similar::similar_field;
use crate::text::{self, ValueError, invalid, value_missing};
use crate::warning::{Warning, WarningCode};
use crate::{invisible, key, spreadsheet};

/// The user name and the e-mail of a line, by which the splitter tells users apart.
pub fn keys_of_line(line: &[u8]) -> (Option<String>, Option<String>) {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return (None, None) };
    let find = |field: Field| text_of(find_value(&object, field)?).ok().map(Cow::into_owned);
    (find(Field::Username), find(Field::Email))
}

/// The keys of a line that are no titles of fields, each with the title that may have been meant.
pub fn unknown_keys(line: &[u8]) -> Vec<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(line) else { return Vec::new() };
    object.into_iter().map(|(key, _)| key).filter(|key| Field::from_spigit_title(key.trim()).is_none()).collect()
}

/// The title that was probably meant by a key.
pub fn similar_title(key: &str) -> Option<&'static str> {
    similar_field(key).map(|field| field.spec().spigit_title)
}

fn find_value(object: &Map<String, Value>, field: Field) -> Option<&Value> {
    object.iter().find(|(key, _)| Field::from_spigit_title(key.trim()) == Some(field)).map(|(_, value)| value)
}

/// The key of the invalid value, unless the error concerns the whole row, and the error.
type RowError = (Option<String>, ValueError);

pub(super) fn check_line(rules: &CheckRules, scanner: &CsvScanner, row: u64, batch: &mut CheckedBatch) {
    if let Some(problem) = scanner.problem() {
        return batch.push_rejection(broken_line(scanner, problem, row));
    }
    let (line, handling) = (scanner.line(), rules.handling);
    if let Err((name, error)) = batch.check_row(|batch| check_object(scanner.raw(), line, row, handling, batch)) {
        batch.push_rejection(error.rejection(line, name.as_deref()).with_row(Some(row)));
    }
}

fn check_object(
    text: &[u8],
    line: u64,
    row: u64,
    handling: Handling,
    batch: &mut CheckedBatch,
) -> Result<(), RowError> {
    let object = parse(text).map_err(|error| (None, error))?;
    let mut cells = [SpanCell::Keep; FIELD_COUNT];
    let mut attributes = Vec::new();
    let mut left_out = Vec::new();
    for (name, value) in &object {
        let field = Field::from_spigit_title(name.trim());
        let is_required = field.is_some_and(|field| field.spec().required);
        match check_value(name, field, value, batch) {
            Ok(SpanCell::Keep) => {}
            Ok(cell) => match field {
                Some(field) => cells[field.index()] = cell,
                None => attributes.push((batch.title_position(name.trim()), cell)),
            },
            Err(error) if handling == Handling::Lenient && !is_required => left_out.push((name.clone(), error.code)),
            Err(error) => return Err((Some(name.clone()), error)),
        }
    }
    if let Some(missing) =
        FIELDS.iter().find(|spec| spec.required && !matches!(cells[spec.field.index()], SpanCell::Set(_)))
    {
        return Err((Some(missing.spigit_title.to_owned()), value_missing()));
    }
    let mut fold = |field: Field, fold: fn(&str) -> String| {
        let SpanCell::Set(span) = cells[field.index()] else { unreachable!("a required value is set") };
        let folded = fold(batch.slice(span));
        let missing = || (Some(field.spec().spigit_title.to_owned()), value_missing());
        if folded.is_empty() { Err(missing()) } else { Ok(batch.push_text(&folded)) }
    };
    let user = fold(Field::Username, key::fold)?;
    let email_key = fold(Field::Email, key::fold_email)?;
    batch.push_row(RowSpans {
        line,
        row: Some(row),
        key: user,
        username_key: Some(user),
        email_key: Some(email_key),
        password: None,
        password_hash: None,
        cells,
        attributes,
    });
    for (column, code) in left_out {
        batch.push_warning(Warning { line, row: Some(row), column, code: WarningCode::ValueLeftOut(code) });
    }
    Ok(())
}

fn parse(text: &[u8]) -> Result<Map<String, Value>, ValueError> {
    let value = serde_json::from_slice(text).map_err(|_| ValueError {
        code: RejectionCode::JsonInvalid,
        problem: "is not valid JSON; expected one object a line".to_owned(),
    })?;
    let Value::Object(object) = value else { return invalid(RejectionCode::TypeInvalid, "is not a JSON object") };
    if object.len() > MAX_COLUMNS {
        return invalid(
            RejectionCode::ColumnCount,
            format!("has {} keys; at most {MAX_COLUMNS} are allowed", object.len()),
        );
    }
    Ok(object)
}

fn check_value(
    name: &str,
    field: Option<Field>,
    value: &Value,
    batch: &mut CheckedBatch,
) -> Result<SpanCell, ValueError> {
    if value.is_null() {
        return Ok(SpanCell::Keep);
    }
    if field.is_none() {
        check_key(name)?;
    }
    let text = text_of(value)?;
    let text = match field {
        Some(Field::Email | Field::Username) => invisible::remove(&text),
        _ => text,
    };
    if text.is_empty() {
        let is_required = field.is_some_and(|field| field.spec().required);
        return if is_required { Err(value_missing()) } else { Ok(SpanCell::Clear) };
    }
    if field == Some(Field::Username) {
        spreadsheet::check_identifier(&text)?;
    }
    let kind = field.map_or(FieldKind::Text(MAX_ATTRIBUTE_CHARS), |field| field.spec().kind);
    text::check_characters(&text)?;
    Ok(SpanCell::Set(batch.append(|out| super::values::canonical(kind, &text, out))?))
}

/// The text of a value: numbers and truth values as they are written.
fn text_of(value: &Value) -> Result<Cow<'_, str>, ValueError> {
    match value {
        Value::String(text) => Ok(Cow::Borrowed(spreadsheet::formula_text(invisible::trim(text)))),
        Value::Number(number) => Ok(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Ok(Cow::Owned(truth.to_string())),
        Value::Null => Ok(Cow::Borrowed("")),
        Value::Array(_) | Value::Object(_) => {
            invalid(RejectionCode::TypeInvalid, "has the wrong JSON type; expected a string, a number or a truth value")
        }
    }
}

/// Checks the name of an attribute, by the rules for titles.
fn check_key(name: &str) -> Result<(), ValueError> {
    let name = name.trim();
    if PASSWORD_KEYS.contains(&key::fold(name).as_str()) {
        return invalid(RejectionCode::ValueInvalid, "holds a password, which is not accepted; remove it");
    }
    if name.is_empty() || name.chars().count() > MAX_TITLE_CHARS || !is_visible_title(name) {
        let problem = format!("is no name of an attribute: a name has 1 to {MAX_TITLE_CHARS} visible characters");
        return invalid(RejectionCode::ValueInvalid, problem);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;
    use crate::batch::Cell;
    use crate::file::{Dialect, Format};
    use crate::rules::{BatchRecords, check_batch};
    use crate::scanner::RecordLimits;

    fn check(text: &str, handling: Handling) -> CheckedBatch {
        let rules = CheckRules {
            dialect: Dialect::Spigit,
            handling,
            format: Format::JsonLines,
            header: Header::from_titles(Vec::new()),
            limits: RecordLimits::default(),
        };
        check_batch(&rules, BatchRecords { first_line: 1, first_row: 1, broken: None, text: text.as_bytes() })
    }

    fn line(more: &str) -> String {
        format!(r#"{{"email":"Ada@example.net","USERNAME":"Ada","First_Nm":"A","LAST_NM":"B"{more}}}"#)
    }

    #[test]
    fn keys_are_titles_in_any_case_and_values_are_taken_as_written() {
        let batch = check(
            &line(r#","badge":007.50e1,"desk":true,"WORK_CITY":"","JOB_NM":null,"PARTNER_NR":123"#)
                .replace("007.50e1", "7.50e1"),
            Handling::Strict,
        );
        let row = batch.rows().next().unwrap();
        assert_eq!((row.key(), row.email_key()), ("ada", Some("ada@example.net")));
        assert_eq!(
            row.attributes().collect::<Vec<_>>(),
            [("badge", Cell::Set("7.50e+1")), ("desk", Cell::Set("true"))]
        );
        assert_eq!((row.cell(Field::WorkCity), row.cell(Field::JobNm)), (Cell::Clear, Cell::Keep));
        assert_eq!(row.cell(Field::PartnerNr), Cell::Set("123"));
    }

    #[test]
    fn a_line_that_is_no_user_fails_alone() {
        let text = [
            line(""),
            "{".to_owned(),
            "5".to_owned(),
            String::new(),
            r#"{"EMAIL":"a@b"}"#.to_owned(),
            line(r#","x":[1]"#),
            line(r#","Password":"x""#),
        ]
        .join("\n");
        let batch = check(&text, Handling::Strict);
        let found: Vec<_> =
            batch.rejections().iter().map(|r| (r.line, r.row, r.code.as_str(), r.column.as_deref())).collect();
        assert_eq!(
            found,
            [
                (2, Some(2), "json_invalid", None),
                (3, Some(3), "type_invalid", None),
                (5, Some(4), "value_empty", Some("USERNAME")),
                (6, Some(5), "type_invalid", Some("x")),
                (7, Some(6), "value_invalid", Some("Password")),
            ]
        );
        let lenient = check(&line(r#","x":[1],"INTF_PUBLISH_DT":"soon""#), Handling::Lenient);
        assert_eq!((lenient.rows().len(), lenient.warnings().len()), (1, 2));
    }

    #[test]
    fn the_splitter_finds_the_keys_of_a_line() {
        assert_eq!(keys_of_line(line("").as_bytes()), (Some("Ada".to_owned()), Some("Ada@example.net".to_owned())));
        assert_eq!(keys_of_line(b"[]"), (None, None));
        assert_eq!(unknown_keys(line(r#","Work City":1"#).as_bytes()), ["Work City"]);
        assert_eq!(similar_title("Work City"), Some("WORK_CITY"));
    }
}
