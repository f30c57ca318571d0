//! The rules of a row of the Collaborator users-import API, CSV and JSON alike.
//!
//! A user is found by its uid. What a row does not mention stays: a key that is absent or null, a cell
//! beyond the row's end. An empty value clears optional text. The exception is the status: who is named
//! and not said to be blocked is active.

mod given;
mod values;

use serde_json::Value;

use crate::batch::{CheckedBatch, RowSpans, Span, SpanCell};
use crate::field::{FIELD_COUNT, Field};
use crate::job::Format;
use crate::json::JsonScanner;
use crate::key;
use crate::loose::LooseScanner;
use crate::record::{RecordLimits, Scan};
use crate::rejection::RejectionCode;
use crate::shape::{Columns, Identity, RowShape};
use crate::text::{ValueError, missing};
use given::Given;
use values::Kind;

/// What the rows of a Collaborator file have in common.
pub const SHAPE: RowShape = RowShape { identity: Identity::Uid, columns: Columns::All, field_name: name_of };

/// The separator of a Collaborator file.
pub const DELIMITER: u8 = b';';
/// Columns of a file at most; further cells must be empty.
pub const MAX_COLUMNS: usize = 29;

/// Why a user is blocked, as it is stored.
pub const BLOCKED_AS_MISSING: &str = "missing";
const BLOCKED_BY_STATUS: [&str; 3] = ["dismissed", "maternity_leave", "sick_leave"];
const BLOCKED_AS_INACTIVE: &str = "inactive";

/// Where a value goes.
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
        Target::Field(field, Kind::Required(255))
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
        ("language", Target::Field(F::Language, Kind::Kept(16))),
        ("user_field4", text(F::UserField4)),
        ("user_field5", text(F::UserField5)),
        ("role_id", Target::Field(F::RoleId, Kind::Number)),
        ("manager_uid", Target::Field(F::ManagerUid, Kind::List)),
        ("is_active", Target::IsActive),
        ("facebook_id", text(F::FacebookId)),
    ]
};

/// The keys that the vendor's page for one user calls required.
pub const REQUIRED_KEYS: [&str; 5] = ["uid", "secondname", "firstname", "login", "email"];

/// The names of the columns of a CSV file, in their order.
pub fn column_names() -> [&'static str; MAX_COLUMNS] {
    std::array::from_fn(|position| KEYS[position].0)
}

/// What the API calls a field.
pub fn name_of(field: Field) -> &'static str {
    let is_it = |target: &Target| matches!(target, Target::Field(of, _) if *of == field);
    KEYS.iter().find(|(_, target)| is_it(target)).map_or(field.spec().column, |(name, _)| name)
}

/// The uid in a cell, by which rows of one user are recognised.
pub fn uid_of_cell(cell: &[u8]) -> Option<&str> {
    std::str::from_utf8(cell).ok().map(str::trim).filter(|uid| !uid.is_empty())
}

/// The uid in a JSON object, by which rows of one user are recognised.
pub fn uid_of_json(object: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(object).ok()?;
    uid_of_cell(value.get("uid")?.as_str()?.as_bytes()).map(str::to_owned)
}

/// Where a row stands.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    row: u64,
}

/// Parses and checks the records of a batch, which starts on `first_line` with record `first_row`.
pub fn check_batch(
    format: Format,
    limits: RecordLimits,
    first_line: u64,
    first_row: u64,
    records: &[u8],
) -> CheckedBatch {
    let mut batch = CheckedBatch::new(SHAPE, Vec::new(), records.len() + records.len() / 4);
    match format {
        Format::Csv => check_csv(limits, Place { line: first_line, row: first_row }, records, &mut batch),
        Format::Json => check_json(limits, first_row, records, &mut batch),
    }
    batch
}

fn check_csv(limits: RecordLimits, first: Place, records: &[u8], batch: &mut CheckedBatch) {
    let mut scanner = LooseScanner::new(DELIMITER, limits, first.line);
    let (mut rest, mut row) = (records, first.row);
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                let place = Place { line: scanner.line(), row };
                check_row(place, batch, |batch, uid| {
                    let cells: Vec<_> = (0..scanner.field_count()).filter_map(|index| scanner.field(index)).collect();
                    *uid = cells.first().and_then(|cell| uid_of_cell(cell)).map(str::to_owned);
                    check_shape(&cells)?;
                    let mut given = [Given::Absent; KEYS.len()];
                    for ((given, cell), (name, _)) in given.iter_mut().zip(&cells).zip(&KEYS[..MAX_COLUMNS]) {
                        *given = Given::cell(cell).map_err(|error| (Some(*name), error))?;
                    }
                    check_values(place, &given, batch)
                });
                row += 1;
            }
            Ok(Scan::End | Scan::NeedInput) => return,
            Err(error) => return batch.push_rejection(error.into()),
        }
    }
}

fn check_json(limits: RecordLimits, first_row: u64, records: &[u8], batch: &mut CheckedBatch) {
    let mut scanner = JsonScanner::sequence(limits, first_row);
    let mut rest = records;
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                let place = Place { line: scanner.line(), row: scanner.line() };
                check_row(place, batch, |batch, uid| {
                    let value: Value = serde_json::from_slice(scanner.raw()).map_err(|_| not_json())?;
                    let object = value.as_object().ok_or_else(not_an_object)?;
                    let texts = KEYS.each_ref().map(|(name, _)| Given::value(object.get(*name)));
                    *uid = texts[0].text().filter(|uid| !uid.is_empty()).map(str::to_owned);
                    check_values(place, &texts, batch)
                });
            }
            Ok(Scan::End | Scan::NeedInput) => return,
            Err(error) => return batch.push_rejection(error.into()),
        }
    }
}

/// The key at fault, where there is one, and the fault.
type RowError = (Option<&'static str>, ValueError);

/// Checks a row, which notes its uid as soon as it is known.
fn check_row(
    place: Place,
    batch: &mut CheckedBatch,
    check: impl FnOnce(&mut CheckedBatch, &mut Option<String>) -> Result<(), RowError>,
) {
    let mut uid = None;
    if let Err((name, error)) = batch.attempt(|batch| check(batch, &mut uid)) {
        if let Some(uid) = uid {
            batch.push_named(&uid);
        }
        batch.push_rejection(error.rejection(place.line, name).of_row(Some(place.row)));
    }
}

/// Cells behind the last known column must be empty: a separator inside a value shifts all that follow.
fn check_shape(cells: &[std::borrow::Cow<'_, [u8]>]) -> Result<(), RowError> {
    if cells.iter().skip(MAX_COLUMNS).all(|cell| cell.trim_ascii().is_empty()) {
        return Ok(());
    }
    let problem = format!(
        "has {} values, at most {MAX_COLUMNS} are known; quote a value that has a semicolon inside",
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

/// Checks the values of a row, given in the order of [`KEYS`].
fn check_values(place: Place, given: &[Given<'_>; KEYS.len()], batch: &mut CheckedBatch) -> Result<(), RowError> {
    let mut cells = [SpanCell::Keep; FIELD_COUNT];
    let (mut password, mut blocked_by) = (None, None);
    for ((name, target), given) in KEYS.iter().zip(given) {
        let at = |error: ValueError| (Some(*name), error);
        match target {
            Target::Field(field, kind) => cells[field.index()] = values::cell(*kind, given, batch).map_err(at)?,
            Target::Password => password = values::password(given, batch).map_err(at)?,
            Target::Status => {
                if let Some(status) = values::status(given).map_err(at)? {
                    blocked_by = Some(BLOCKED_BY_STATUS[status]);
                }
            }
            Target::IsActive => {
                if !values::is_active(given).map_err(at)? {
                    blocked_by = blocked_by.or(Some(BLOCKED_AS_INACTIVE));
                }
            }
        }
    }
    cells[Field::BlockedReason.index()] = match blocked_by {
        Some(reason) => SpanCell::Set(append(batch, reason)),
        None => SpanCell::Clear,
    };
    let SpanCell::Set(key) = cells[Field::Uid.index()] else { return Err((Some("uid"), missing())) };
    let username_key = folded(Field::Username, &cells, batch).map_err(|error| (Some("login"), error))?;
    let email_key = folded(Field::Email, &cells, batch).map_err(|error| (Some("email"), error))?;
    let row = RowSpans {
        line: place.line,
        row: Some(place.row),
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

/// The folded form of a value, if there is one. It may be empty although the value is not, when the
/// value is made of characters that nobody sees.
fn folded(field: Field, cells: &[SpanCell; FIELD_COUNT], batch: &mut CheckedBatch) -> Result<Option<Span>, ValueError> {
    let SpanCell::Set(span) = cells[field.index()] else { return Ok(None) };
    let folded = key::fold(batch.slice(span));
    if folded.is_empty() { Err(missing()) } else { Ok(Some(append(batch, &folded))) }
}

fn append(batch: &mut CheckedBatch, text: &str) -> Span {
    let written: Result<Span, std::convert::Infallible> = batch.append(|out| {
        out.push_str(text);
        Ok(())
    });
    written.unwrap_or_else(|never| match never {})
}

#[cfg(test)]
mod tests;
