//! The rules of a row of the Collaborator users-import API, in CSV and JSON.
//!
//! A user is identified by its uid. A value that a row does not have (a key that is absent or null, a cell after the
//! end of the row) stays unchanged. An empty value clears an optional text. The status is an exception: a user who
//! is named and not blocked by the row becomes active.

mod input;
mod opening;
mod titles;
mod values;

use std::borrow::Cow;

use serde_json::Value;

use super::{BatchRecords, CheckRules, broken_line, describe_lines, warn_of_titles};
use crate::batch::{CheckedBatch, RowSpans, Span, SpanCell};
use crate::csv::{CsvScanner, CsvSyntax, QuoteStyle};
use crate::field::{FIELD_COUNT, Field};
use crate::file::{Dialect, Format, Handling};
use crate::header::Header;
use crate::json_array::JsonArrayScanner;
use crate::rejection::RejectionCode;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::shape::{Columns, Identity, RowShape};
use crate::similar::similar_name;
use crate::text::{self, ValueError, value_missing};
use crate::warning::{Warning, WarningCode};
use crate::workbook_cell::{self, CellPlace, CellValue};
use crate::{invisible, key, spreadsheet};
pub use opening::find_rows;

use input::Input;
use values::Kind;

/// What the rows of a Collaborator file have in common.
pub const SHAPE: RowShape = RowShape { identity: Identity::Uid, columns: Columns::All, field_name: key_of };

/// The separator of a Collaborator file.
pub const DELIMITER: u8 = b';';
/// Maximum number of columns in a file; further cells must be empty.
pub const MAX_COLUMNS: usize = 29;
/// Maximum length of a name in characters.
const MAX_NAME_CHARS: usize = 255;
/// A line inside a quoted cell with at least this many cells is a row: the required ones.
const ROW_CELLS: usize = 5;
/// The keys whose values are compared, so that invisible characters in them are removed.
const COMPARED_KEYS: [&str; 4] = ["uid", "login", "email", "phone"];

/// What a value sets.
#[derive(Clone, Copy)]
enum Target {
    Field(Field, Kind),
    Password,
    Status,
    IsActive,
}

/// The JSON keys; the first [`MAX_COLUMNS`] are also the columns of a CSV file, in their order.
const KEYS: [(&str, Target); 31] = {
    use Field as F;
    const fn text(field: Field) -> Target {
        Target::Field(field, Kind::Text(1024))
    }
    const fn name(field: Field) -> Target {
        Target::Field(field, Kind::RequiredText(MAX_NAME_CHARS))
    }
    const fn identifier(field: Field) -> Target {
        Target::Field(field, Kind::Identifier)
    }
    [
        ("uid", identifier(F::Uid)),
        ("secondname", name(F::LastName)),
        ("firstname", name(F::FirstName)),
        ("patronymic", text(F::Patronymic)),
        ("login", identifier(F::Username)),
        ("email", Target::Field(F::Email, Kind::Email)),
        ("password", Target::Password),
        ("birth_date", Target::Field(F::BirthDate, Kind::Date)),
        ("gender", Target::Field(F::Gender, Kind::Gender)),
        ("city", text(F::City)),
        ("department", text(F::Department)),
        ("position", text(F::Position)),
        ("tags", Target::Field(F::Tags, Kind::List)),
        ("phone", text(F::Phone)),
        ("status", Target::Status),
        ("date_of_employment", Target::Field(F::DateOfEmployment, Kind::Date)),
        ("google_id", text(F::GoogleId)),
        ("work_contact", text(F::WorkContact)),
        ("date_of_assignment_current_position", Target::Field(F::DateOfAssignment, Kind::Date)),
        ("structure_uid", Target::Field(F::StructureUid, Kind::List)),
        ("user_field1", text(F::UserField1)),
        ("user_field2", text(F::UserField2)),
        ("user_field3", text(F::UserField3)),
        ("customInfo", Target::Field(F::CustomInfo, Kind::Json)),
        ("language", Target::Field(F::Language, Kind::UnclearableText(16))),
        ("user_field4", text(F::UserField4)),
        ("user_field5", text(F::UserField5)),
        ("role_id", Target::Field(F::RoleId, Kind::Number)),
        ("manager_uid", Target::Field(F::ManagerUid, Kind::List)),
        ("is_active", Target::IsActive),
        ("facebook_id", text(F::FacebookId)),
    ]
};

/// The keys that the vendor's documentation of the single-user call lists as required.
pub const REQUIRED_KEYS: [&str; 5] = ["uid", "secondname", "firstname", "login", "email"];

/// The names of the columns of a CSV file, in their order.
pub fn column_names() -> [&'static str; MAX_COLUMNS] {
    std::array::from_fn(|position| KEYS[position].0)
}

/// The key that was probably meant by a key that is none of the API's.
pub fn similar_key(key: &str) -> Option<&'static str> {
    similar_name(key, KEYS.iter().map(|(key, _)| *key))
}

/// The keys of an object that are none of the API's.
pub fn unknown_keys(object: &[u8]) -> Vec<String> {
    let Ok(Value::Object(object)) = serde_json::from_slice(object) else { return Vec::new() };
    object.into_iter().map(|(key, _)| key).filter(|key| !is_key(key)).collect()
}

/// Whether the API has this key.
pub fn is_key(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}

/// The name of a field in the API.
fn key_of(field: Field) -> &'static str {
    key_of_field(field).unwrap_or(field.spec().column)
}

/// The key that sets a field; `None` if the API has none for it.
pub(super) fn key_of_field(field: Field) -> Option<&'static str> {
    let sets_field = |target: &Target| matches!(target, Target::Field(set, _) if *set == field);
    KEYS.iter().find(|(_, target)| sets_field(target)).map(|(name, _)| *name)
}

/// The field that a key sets; `None` if it sets none.
pub(super) fn field_of_key(key: &str) -> Option<Field> {
    let (_, target) = KEYS.iter().find(|(known, _)| *known == key)?;
    if let Target::Field(field, _) = target { Some(*field) } else { None }
}

/// The uid in a CSV cell or JSON string, which identifies the user of the row; `None` if there is none.
pub fn clean_uid(text: &str) -> Option<Cow<'_, str>> {
    let uid = invisible::remove(spreadsheet::formula_text(invisible::trim(workbook_cell::unmarked_number(text))));
    (!uid.trim().is_empty()).then_some(uid)
}

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

/// The column of a CSV file that has a field.
///
/// # Panics
///
/// If no column has the field.
pub fn position_of(field: Field) -> usize {
    let sets_field = |(_, target): &(&str, Target)| matches!(target, Target::Field(set, _) if *set == field);
    KEYS.iter().position(sets_field).expect("a column has the field")
}

/// The position of a row in its file.
#[derive(Clone, Copy)]
struct RowPosition {
    line: u64,
    row: u64,
    /// How many lines of a CSV file the record spans.
    lines: u64,
}

/// How the records of a CSV file are written.
pub fn csv_syntax(limits: RecordLimits) -> CsvSyntax {
    CsvSyntax {
        delimiter: DELIMITER,
        quotes: QuoteStyle::Loose,
        limits,
        values: (0, usize::MAX),
        row_values: ROW_CELLS,
        is_title: titles::is_title,
    }
}

/// Parses and checks the records of a batch.
pub fn check_batch(rules: &CheckRules, records: BatchRecords<'_>) -> CheckedBatch {
    let capacity = records.text.len() + records.text.len() / 4;
    let mut batch = CheckedBatch::new(SHAPE, Vec::new(), capacity);
    match rules.format {
        Format::Csv | Format::JsonLines | Format::Workbook => check_lines(rules, records, &mut batch),
        Format::Json => check_json(rules.limits, &records, &mut batch),
    }
    batch
}

/// Parses and checks the records of a text that is not part of a batch and has no titles.
pub fn check_text(format: Format, limits: RecordLimits, first_line: u64, first_row: u64, text: &[u8]) -> CheckedBatch {
    let header = Header::from_titles(Vec::new());
    let rules = CheckRules { dialect: Dialect::Collaborator, handling: Handling::Strict, format, header, limits };
    check_batch(&rules, BatchRecords { first_line, first_row, broken: None, text })
}

/// Checks a file that has a record on each line.
fn check_lines(rules: &CheckRules, mut records: BatchRecords<'_>, batch: &mut CheckedBatch) {
    let mut scanner = records.csv_scanner(rules.line_syntax());
    let (mut rest, mut row) = (records.text, records.first_row);
    // CSV text has no error that ends it.
    while let Ok(Scan::Record(consumed)) = scanner.scan(rest, true) {
        rest = &rest[consumed..];
        warn_of_titles(&scanner, batch);
        match scanner.problem() {
            Some(problem) => batch.push_rejection(broken_line(&scanner, problem, row)),
            None if rules.format == Format::JsonLines => {
                check_object(RowPosition { line: scanner.line(), row, lines: 1 }, scanner.raw(), batch);
            }
            None => check_csv_row(rules, &scanner, row, batch),
        }
        row += 1;
    }
    warn_of_titles(&scanner, batch);
}

fn check_csv_row(rules: &CheckRules, scanner: &CsvScanner, row: u64, batch: &mut CheckedBatch) {
    let position = RowPosition { line: scanner.line(), row, lines: scanner.line_count() };
    check_row(position, &describe_lines(scanner), batch, |batch, uid| {
        let cells: Vec<_> = (0..scanner.field_count()).filter_map(|index| scanner.field(index)).collect();
        *uid = cells.first().and_then(|cell| std::str::from_utf8(cell).ok()).and_then(clean_uid).map(Cow::into_owned);
        check_cell_count(&cells, rules.header.titles().len())?;
        let mut inputs = [const { Input::Absent }; KEYS.len()];
        for ((input, cell), (name, _)) in inputs.iter_mut().zip(cells).zip(&KEYS[..MAX_COLUMNS]) {
            *input = Input::from_cell(cell).map_err(|error| (Some(*name), error))?;
        }
        if rules.format != Format::Workbook {
            return check_values(position, inputs, batch);
        }
        // The cells of a workbook that are not written are empty.
        for input in inputs.iter_mut().take(rules.header.titles().len().min(MAX_COLUMNS)) {
            if matches!(input, Input::Absent) {
                *input = Input::Text(Cow::Borrowed(""));
            }
        }
        let numbers = read_workbook_cells(position, &mut inputs)?;
        check_values(position, inputs, batch)?;
        for name in numbers {
            let (line, row, column) = (position.line, Some(position.row), name.to_owned());
            batch.push_warning(Warning { line, row, column, code: WarningCode::NumberAsText });
        }
        Ok(())
    });
}

/// Replaces the cells of a workbook by their content. Returns the names of the text columns whose first number is in this
/// row.
fn read_workbook_cells(
    position: RowPosition,
    inputs: &mut [Input<'_>; KEYS.len()],
) -> Result<Vec<&'static str>, RowError> {
    let mut numbers = Vec::new();
    for (at, (input, (name, target))) in inputs.iter_mut().zip(&KEYS).enumerate() {
        let Input::Text(cell) = &*input else { continue };
        let place = CellPlace { line: position.line, position: at };
        let is_date = matches!(target, Target::Field(_, Kind::Date));
        let content = workbook_cell::read(cell, is_date, place).map_err(|error| (Some(*name), error))?;
        let text = match content {
            CellValue::Text(text) => text.into_owned(),
            CellValue::Date(date) => date.to_owned(),
            CellValue::FirstNumber(digits) => {
                if matches!(target, Target::Field(_, kind) if kind.is_text()) {
                    numbers.push(*name);
                }
                digits.to_owned()
            }
        };
        *input = Input::Text(Cow::Owned(text));
    }
    Ok(numbers)
}

fn check_json(limits: RecordLimits, records: &BatchRecords<'_>, batch: &mut CheckedBatch) {
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

fn check_object(position: RowPosition, text: &[u8], batch: &mut CheckedBatch) {
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

/// The key of the invalid value, unless the error concerns the whole row, and the error.
type RowError = (Option<&'static str>, ValueError);

/// Checks a row. `check` stores the uid as soon as it is known, so that it is known even if the row fails. `note` is added
/// to the message of a row that fails.
fn check_row(
    position: RowPosition,
    note: &str,
    batch: &mut CheckedBatch,
    check: impl FnOnce(&mut CheckedBatch, &mut Option<String>) -> Result<(), RowError>,
) {
    let mut uid = None;
    if let Err((name, mut error)) = batch.check_row(|batch| check(batch, &mut uid)) {
        // Only a uid that some user can have: others belong to no user, and a database may not even take them as text. A record
        // that spans lines may have swallowed rows by a stray quote, whose users are then unknown.
        if let Some(uid) = uid.filter(|uid| is_possible_uid(uid) && position.lines == 1) {
            batch.push_failed_key(&uid);
        }
        error.problem.push_str(note);
        batch.push_rejection(error.rejection(position.line, name).with_row(Some(position.row)));
    }
}

fn is_possible_uid(uid: &str) -> bool {
    text::check_characters(uid).is_ok() && text::check_length(uid, values::MAX_IDENTIFIER_CHARS).is_ok()
}

/// Cells after the last title, or after the last known column, must be empty: an unquoted separator inside a value shifts
/// all cells after it. `titles` is 0 if the titles are not known.
fn check_cell_count(cells: &[Cow<'_, [u8]>], titles: usize) -> Result<(), RowError> {
    let columns = if titles == 0 { MAX_COLUMNS } else { titles.min(MAX_COLUMNS) };
    let found = cells.iter().rposition(|cell| !cell.trim_ascii().is_empty()).map_or(0, |last| last + 1);
    if found <= columns {
        return Ok(());
    }
    let problem =
        format!("has {found} values, but there are only {columns} columns; quote values that contain a semicolon");
    Err((None, ValueError { code: RejectionCode::ColumnCount, problem }))
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

/// Checks the values of a row, which are in the order of [`KEYS`].
fn check_values(
    position: RowPosition,
    inputs: [Input<'_>; KEYS.len()],
    batch: &mut CheckedBatch,
) -> Result<(), RowError> {
    let mut cells = [SpanCell::Keep; FIELD_COUNT];
    let mut password = None;
    let (mut blocked_by_status, mut blocked_as_inactive) = (None, None);
    for ((name, target), input) in KEYS.iter().zip(inputs) {
        let at = |error: ValueError| (Some(*name), error);
        let input = if COMPARED_KEYS.contains(name) { &input.visible() } else { &input };
        match target {
            Target::Field(field, kind) => {
                cells[field.index()] = values::check_field(*kind, input, batch).map_err(at)?;
            }
            Target::Password => password = values::password(input, batch).map_err(at)?,
            Target::Status => blocked_by_status = values::blocked_by_status(input).map_err(at)?,
            Target::IsActive => blocked_as_inactive = values::blocked_by_is_active(input).map_err(at)?,
        }
    }
    cells[Field::BlockedReason.index()] = match blocked_by_status.or(blocked_as_inactive) {
        Some(reason) => SpanCell::Set(batch.push_text(reason.as_str())),
        None => SpanCell::Clear,
    };
    let SpanCell::Set(key) = cells[Field::Uid.index()] else { return Err((Some("uid"), value_missing())) };
    let username_key = folded(Field::Username, &cells, batch).map_err(|error| (Some("login"), error))?;
    let email_key = folded(Field::Email, &cells, batch).map_err(|error| (Some("email"), error))?;
    let row = RowSpans {
        line: position.line,
        row: Some(position.row),
        key,
        username_key,
        email_key,
        password,
        password_hash: None,
        cells,
        attributes: Vec::new(),
    };
    batch.push_row(row);
    Ok(())
}

/// The folded form of a value; `None` if the row does not set it. An empty folded form is an error: the value has only
/// invisible characters.
fn folded(field: Field, cells: &[SpanCell; FIELD_COUNT], batch: &mut CheckedBatch) -> Result<Option<Span>, ValueError> {
    let SpanCell::Set(span) = cells[field.index()] else { return Ok(None) };
    let value = batch.slice(span);
    let folded = if field == Field::Email { key::fold_email(value) } else { key::fold(value) };
    if folded.is_empty() { Err(value_missing()) } else { Ok(Some(batch.push_text(&folded))) }
}

#[cfg(test)]
mod tests;
