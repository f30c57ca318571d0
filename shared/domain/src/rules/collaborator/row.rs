//! The checks on the values of a row, in whatever form it was written.

use super::input::Input;
use super::keys::{COMPARED_KEYS, KEYS, Target};
use super::values;
use crate::batch::{CheckedBatch, RowSpans, Span, SpanCell};
use crate::field::{FIELD_COUNT, Field};
use crate::key;
use crate::text::{self, ValueError, value_missing};

/// The position of a row in its file.
#[derive(Clone, Copy)]
pub(super) struct RowPosition {
    pub(super) line: u64,
    pub(super) row: u64,
    /// How many lines of a CSV file the record spans.
    pub(super) lines: u64,
}

/// The key of the invalid value, unless the error concerns the whole row, and the error.
pub(super) type RowError = (Option<&'static str>, ValueError);

/// Checks a row. `check` stores the uid as soon as it is known, so that it is known even if the row fails. `note` is added
/// to the message of a row that fails.
pub(super) fn check_row(
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

/// Checks the values of a row, which are in the order of [`KEYS`].
pub(super) fn check_values(
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
