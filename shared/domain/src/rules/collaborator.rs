//! The rules of a row of the Collaborator users-import API, in CSV and JSON.
//!
//! A user is identified by its uid. A value that a row does not have (a key that is absent or null, a cell after the
//! end of the row) stays unchanged. An empty value clears an optional text. The status is an exception: a user who
//! is named and not blocked by the row becomes active.

mod input;
mod values;

use std::fmt::Write as _;

use serde_json::Value;

use crate::batch::{CheckedBatch, RowSpans, Span, SpanCell};
use crate::field::{FIELD_COUNT, Field};
use crate::file::Format;
use crate::json_array::JsonArrayScanner;
use crate::key;
use crate::loose_csv::LooseCsvScanner;
use crate::rejection::RejectionCode;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::shape::{Columns, Identity, RowShape};
use crate::text::{self, ValueError, value_missing};
use input::Input;
use values::Kind;

/// What the rows of a Collaborator file have in common.
pub const SHAPE: RowShape = RowShape { identity: Identity::Uid, columns: Columns::All, field_name: key_of };

/// The separator of a Collaborator file.
pub const DELIMITER: u8 = b';';
/// Maximum number of columns in a file; further cells must be empty.
pub const MAX_COLUMNS: usize = 29;
/// Maximum length of a uid, a login and a name in characters.
const MAX_UID_CHARS: usize = 255;

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
    const fn required(field: Field) -> Target {
        Target::Field(field, Kind::RequiredText(MAX_UID_CHARS))
    }
    [
        ("uid", required(F::Uid)),
        ("secondname", required(F::LastName)),
        ("firstname", required(F::FirstName)),
        ("patronymic", text(F::Patronymic)),
        ("login", required(F::Username)),
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

/// The name of a field in the API.
fn key_of(field: Field) -> &'static str {
    let sets_field = |target: &Target| matches!(target, Target::Field(set, _) if *set == field);
    KEYS.iter().find(|(_, target)| sets_field(target)).map_or(field.spec().column, |(name, _)| name)
}

/// The uid in a CSV cell, which identifies the user of the row.
pub fn uid_of_cell(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok().map(str::trim).filter(|uid| !uid.is_empty())
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
    let text = |name| value.get(name)?.as_str().map(str::to_owned);
    let uid = text("uid").as_deref().and_then(|uid| uid_of_cell(uid.as_bytes())).map(str::to_owned);
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

/// Parses and checks the records of a batch that starts on `first_line` with record number `first_row`.
pub fn check_batch(
    format: Format,
    limits: RecordLimits,
    first_line: u64,
    first_row: u64,
    records: &[u8],
) -> CheckedBatch {
    let capacity = records.len() + records.len() / 4;
    let mut batch = CheckedBatch::new(SHAPE, Vec::new(), capacity);
    match format {
        Format::Csv => {
            let first = RowPosition { line: first_line, row: first_row, lines: 1 };
            check_csv(limits, first, records, &mut batch);
        }
        Format::Json => check_json(limits, first_row, records, &mut batch),
    }
    batch
}

fn check_csv(limits: RecordLimits, first: RowPosition, records: &[u8], batch: &mut CheckedBatch) {
    let mut scanner = LooseCsvScanner::new(DELIMITER, limits, first.line);
    let (mut rest, mut row) = (records, first.row);
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                let position = RowPosition { line: scanner.line(), row, lines: count_lines(scanner.raw()) };
                check_row(position, batch, |batch, uid| {
                    let cells: Vec<_> = (0..scanner.field_count()).filter_map(|index| scanner.field(index)).collect();
                    *uid = cells.first().and_then(|cell| uid_of_cell(cell)).map(str::to_owned);
                    check_cell_count(&cells)?;
                    let mut inputs = [Input::Absent; KEYS.len()];
                    for ((input, cell), (name, _)) in inputs.iter_mut().zip(&cells).zip(&KEYS[..MAX_COLUMNS]) {
                        *input = Input::from_cell(cell).map_err(|error| (Some(*name), error))?;
                    }
                    check_values(position, &inputs, batch)
                });
                row += 1;
            }
            Ok(Scan::End | Scan::NeedInput) => return,
            Err(error) => return batch.push_rejection(error.into()),
        }
    }
}

fn check_json(limits: RecordLimits, first_row: u64, records: &[u8], batch: &mut CheckedBatch) {
    let mut scanner = JsonArrayScanner::sequence(limits, first_row);
    let mut rest = records;
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                let position = RowPosition { line: scanner.line(), row: scanner.line(), lines: 1 };
                check_row(position, batch, |batch, uid| {
                    let value: Value = serde_json::from_slice(scanner.raw()).map_err(|_| not_json())?;
                    let object = value.as_object().ok_or_else(not_an_object)?;
                    let inputs = KEYS.each_ref().map(|(name, _)| Input::from_json(object.get(*name)));
                    *uid = inputs[0].text().filter(|uid| !uid.is_empty()).map(str::to_owned);
                    check_values(position, &inputs, batch)
                });
            }
            Ok(Scan::End | Scan::NeedInput) => return,
            Err(error) => return batch.push_rejection(error.into()),
        }
    }
}

/// The key of the invalid value, unless the error concerns the whole row, and the error.
type RowError = (Option<&'static str>, ValueError);

/// Checks a row. `check` stores the uid as soon as it is known, so that it is known even if the row fails.
fn check_row(
    position: RowPosition,
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
        if position.lines > 1 {
            let last = position.line + position.lines - 1;
            let _ = write!(error.problem, "; the row spans lines {} to {last}: is a quote misplaced?", position.line);
        }
        batch.push_rejection(error.rejection(position.line, name).with_row(Some(position.row)));
    }
}

/// The number of lines of a record, whose line ends may be LF, CRLF or CR.
fn count_lines(record: &[u8]) -> u64 {
    let record = record.trim_ascii_end();
    let line_feeds = memchr::memchr_iter(b'\n', record).count();
    let ends = if line_feeds > 0 { line_feeds } else { memchr::memchr_iter(b'\r', record).count() };
    ends as u64 + 1
}

fn is_possible_uid(uid: &str) -> bool {
    text::check_characters(uid).is_ok() && text::check_length(uid, MAX_UID_CHARS).is_ok()
}

/// Cells after the last known column must be empty: an unquoted separator inside a value shifts all cells after it.
fn check_cell_count(cells: &[std::borrow::Cow<'_, [u8]>]) -> Result<(), RowError> {
    if cells.iter().skip(MAX_COLUMNS).all(|cell| cell.trim_ascii().is_empty()) {
        return Ok(());
    }
    let problem = format!(
        "has {} values, but there are only {MAX_COLUMNS} columns; quote values that contain a semicolon",
        cells.len()
    );
    Err((None, ValueError { code: RejectionCode::ColumnCount, problem }))
}

fn not_json() -> RowError {
    (None, ValueError { code: RejectionCode::JsonInvalid, problem: "is not valid JSON".to_owned() })
}

fn not_an_object() -> RowError {
    (None, ValueError { code: RejectionCode::TypeInvalid, problem: "is not a JSON object".to_owned() })
}

/// Checks the values of a row, which are in the order of [`KEYS`].
fn check_values(
    position: RowPosition,
    inputs: &[Input<'_>; KEYS.len()],
    batch: &mut CheckedBatch,
) -> Result<(), RowError> {
    let mut cells = [SpanCell::Keep; FIELD_COUNT];
    let mut password = None;
    let (mut blocked_by_status, mut blocked_as_inactive) = (None, None);
    for ((name, target), input) in KEYS.iter().zip(inputs) {
        let at = |error: ValueError| (Some(*name), error);
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
    batch.push_row(row, 0);
    Ok(())
}

/// The folded form of a value; `None` if the row does not set it. An empty folded form is an error: the value has only
/// invisible characters.
fn folded(field: Field, cells: &[SpanCell; FIELD_COUNT], batch: &mut CheckedBatch) -> Result<Option<Span>, ValueError> {
    let SpanCell::Set(span) = cells[field.index()] else { return Ok(None) };
    let folded = key::fold(batch.slice(span));
    if folded.is_empty() { Err(value_missing()) } else { Ok(Some(batch.push_text(&folded))) }
}

#[cfg(test)]
mod tests;
