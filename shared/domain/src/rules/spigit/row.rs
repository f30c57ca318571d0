//! The rules of a row of a CSV file or of a workbook.

use std::borrow::Cow;

use super::{MAX_ATTRIBUTE_CHARS, values};
use crate::batch::{CheckedBatch, RowSpans, Span, SpanCell};
use crate::csv::CsvScanner;
use crate::field::{FIELD_COUNT, Field, FieldKind, FieldSpec};
use crate::file::{Format, Handling};
use crate::header::{Column, Header};
use crate::rejection::RejectionCode;
use crate::rules::CheckRules;
use crate::scanner::Scanner;
use crate::text::{self, ValueError, value_missing};
use crate::warning::{Warning, WarningCode};
use crate::workbook_cell::{self, CellPlace, CellValue};
use crate::{invisible, key, spreadsheet};

/// The position of the invalid column, unless the error concerns the whole row, and the error.
pub(super) type RowError = (Option<usize>, ValueError);

/// The result of checking a value.
enum Checked {
    Cell(SpanCell),
    /// The value is the first number of a text column of a workbook.
    FirstNumber(SpanCell),
    /// The value is invalid, and lenient handling leaves it out.
    LeftOut(RejectionCode),
}

pub(super) struct RowCheck<'a> {
    pub(super) header: &'a Header,
    handling: Handling,
    is_workbook: bool,
    scanner: &'a CsvScanner,
    row: u64,
    /// The whole record, if it is UTF-8: checking it at once is cheaper than checking each value.
    text: Option<&'a str>,
    /// Whether the record has only characters that need no further check.
    is_printable: bool,
}

impl<'a> RowCheck<'a> {
    pub(super) fn new(rules: &'a CheckRules, scanner: &'a CsvScanner, row: u64) -> Self {
        let is_printable = text::is_printable_ascii(scanner.raw().trim_ascii_end());
        let text = std::str::from_utf8(scanner.raw()).ok();
        let is_workbook = rules.format == Format::Workbook;
        Self { header: &rules.header, handling: rules.handling, is_workbook, scanner, row, text, is_printable }
    }

    pub(super) fn run(&self, batch: &mut CheckedBatch) -> Result<(), RowError> {
        self.check_count()?;
        let mut cells = [SpanCell::Keep; FIELD_COUNT];
        let mut attributes = Vec::new();
        let mut warnings = Vec::new();
        for (position, column) in self.header.columns().iter().enumerate() {
            let checked = match column {
                Column::Field(field) => self.field(field.spec(), position, batch),
                Column::Attribute => self.attribute(position, batch),
            };
            let cell = match checked.map_err(|error| (Some(position), error))? {
                Checked::Cell(cell) => cell,
                Checked::FirstNumber(cell) => {
                    warnings.push((position, WarningCode::NumberAsText));
                    cell
                }
                Checked::LeftOut(code) => {
                    warnings.push((position, WarningCode::ValueLeftOut(code)));
                    continue;
                }
            };
            match column {
                Column::Field(field) => cells[field.index()] = cell,
                Column::Attribute => {
                    attributes.push((u16::try_from(position).expect("a header has at most 200 columns"), cell));
                }
            }
        }
        let key = self.folded(Field::Username, &cells, batch)?;
        let email_key = self.folded(Field::Email, &cells, batch)?;
        let row = RowSpans {
            line: self.scanner.line(),
            row: Some(self.row),
            key,
            username_key: Some(key),
            email_key: Some(email_key),
            password: None,
            password_hash: None,
            cells,
            attributes,
        };
        batch.push_row(row);
        for (position, code) in warnings {
            batch.push_warning(Warning {
                line: self.scanner.line(),
                row: Some(self.row),
                column: self.header.titles()[position].clone(),
                code,
            });
        }
        Ok(())
    }

    /// Checks the number of values. Empty values after the last column do not count.
    fn check_count(&self) -> Result<(), RowError> {
        let (expected, found) = (self.header.titles().len(), self.scanner.field_count());
        let surplus = (expected..found).rev().find(|index| !self.is_empty(*index)).map(|last| last + 1);
        let may_be_short = self.is_workbook || self.handling == Handling::Lenient;
        if surplus.is_none() && (found >= expected || may_be_short) {
            return Ok(());
        }
        if found == 1 && self.scanner.field(0).as_deref() == Some(b"\x1a") {
            let problem = "has only the character U+001A (Ctrl-Z), which old programs put at the end of a file";
            return Err((None, ValueError { code: RejectionCode::ControlChar, problem: problem.to_owned() }));
        }
        let found = surplus.unwrap_or(found);
        let hint = match surplus {
            Some(_) => "; a value that contains a comma must be quoted",
            None => "; with Prefer: handling=lenient, missing values at the end are taken as empty",
        };
        let problem = format!("expected {expected} values, found {found}{hint}");
        Err((None, ValueError { code: RejectionCode::ColumnCount, problem }))
    }

    fn is_empty(&self, position: usize) -> bool {
        self.value(position).is_ok_and(|value| value.is_empty())
    }

    /// The trimmed value of a column. A missing trailing value is empty, which only workbooks and lenient handling allow.
    fn value(&self, position: usize) -> Result<Cow<'_, str>, ValueError> {
        let not_utf8 = || ValueError { code: RejectionCode::Utf8Invalid, problem: "is not UTF-8".to_owned() };
        let value = match self.text {
            Some(text) => self.scanner.field_in(position, text).unwrap_or_default(),
            None => match self.scanner.field(position) {
                Some(Cow::Borrowed(bytes)) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| not_utf8())?),
                Some(Cow::Owned(bytes)) => Cow::Owned(String::from_utf8(bytes).map_err(|_| not_utf8())?),
                None => Cow::Borrowed(""),
            },
        };
        Ok(match value {
            Cow::Borrowed(value) => Cow::Borrowed(self.clean(value)),
            Cow::Owned(value) => Cow::Owned(self.clean(&value).to_owned()),
        })
    }

    /// The value without white space and invisible characters around it, and without the `="…"` of a spreadsheet.
    fn clean<'v>(&self, value: &'v str) -> &'v str {
        let trimmed = if self.is_printable { text::trim(value) } else { invisible::trim(value) };
        spreadsheet::formula_text(trimmed)
    }

    fn field(&self, spec: &FieldSpec, position: usize, batch: &mut CheckedBatch) -> Result<Checked, ValueError> {
        let checked = self.check_content(spec.kind, position, batch, |value, batch| {
            match self.visible(spec.field, value).as_ref() {
                "" if spec.required => Err(value_missing()),
                "" => Ok(SpanCell::Clear),
                value => {
                    if spec.field == Field::Username {
                        spreadsheet::check_identifier(value)?;
                    }
                    self.append_checked(spec.kind, value, batch)
                }
            }
        });
        self.leave_out_if_optional(spec.required, checked)
    }

    /// Checks a value with `check`, or takes it as it is if it is the date of a workbook.
    fn check_content(
        &self,
        kind: FieldKind,
        position: usize,
        batch: &mut CheckedBatch,
        check: impl Fn(&str, &mut CheckedBatch) -> Result<SpanCell, ValueError>,
    ) -> Result<Checked, ValueError> {
        let value = self.value(position)?;
        if !self.is_workbook {
            return check(&value, batch).map(Checked::Cell);
        }
        let place = CellPlace { line: self.scanner.line(), position };
        match workbook_cell::read(&value, kind == FieldKind::Date, place)? {
            CellValue::Text(text) => check(&text, batch).map(Checked::Cell),
            CellValue::FirstNumber(digits) if kind == FieldKind::Date => check(digits, batch).map(Checked::Cell),
            CellValue::FirstNumber(digits) => check(digits, batch).map(Checked::FirstNumber),
            CellValue::Date(date) => Ok(Checked::Cell(SpanCell::Set(batch.push_text(date)))),
        }
    }

    /// The value without invisible characters if it identifies a user.
    fn visible<'v>(&self, field: Field, value: &'v str) -> Cow<'v, str> {
        match field {
            Field::Email | Field::Username if !self.is_printable => invisible::remove(value),
            _ => Cow::Borrowed(value),
        }
    }

    fn attribute(&self, position: usize, batch: &mut CheckedBatch) -> Result<Checked, ValueError> {
        let kind = FieldKind::Text(MAX_ATTRIBUTE_CHARS);
        let checked = self.check_content(kind, position, batch, |value, batch| match value {
            "" => Ok(SpanCell::Clear),
            value => self.append_checked(kind, value, batch),
        });
        self.leave_out_if_optional(false, checked)
    }

    fn append_checked(&self, kind: FieldKind, value: &str, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
        if !self.is_printable {
            text::check_characters(value)?;
        }
        Ok(SpanCell::Set(batch.append(|out| values::canonical(kind, value, out))?))
    }

    /// Lenient handling leaves out an optional value that is invalid.
    fn leave_out_if_optional(
        &self,
        required: bool,
        checked: Result<Checked, ValueError>,
    ) -> Result<Checked, ValueError> {
        match checked {
            Err(error) if self.handling == Handling::Lenient && !required => Ok(Checked::LeftOut(error.code)),
            checked => checked,
        }
    }

    /// The folded form of a required value. It is empty if the value has only invisible characters.
    fn folded(
        &self,
        field: Field,
        cells: &[SpanCell; FIELD_COUNT],
        batch: &mut CheckedBatch,
    ) -> Result<Span, RowError> {
        let folded = match cells[field.index()] {
            SpanCell::Set(span) if field == Field::Email => key::fold_email(batch.slice(span)),
            SpanCell::Set(span) => key::fold(batch.slice(span)),
            SpanCell::Keep | SpanCell::Clear => String::new(),
        };
        if folded.is_empty() {
            return Err((self.header.position(field), value_missing()));
        }
        Ok(batch.push_text(&folded))
    }
}
