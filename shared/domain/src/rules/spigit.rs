//! The rules of a Spigit row.
//!
//! A row must have as many values as the header has columns, and the four required values EMAIL, USERNAME, FIRST_NM
//! and LAST_NM. All other columns are optional; an empty value clears the stored one.

use crate::batch::{CheckedBatch, RowSpans, Span, SpanCell};
use crate::field::{FIELD_COUNT, Field, FieldKind, FieldSpec};
use crate::file::Handling;
use crate::header::{Column, Header};
use crate::key;
use crate::rejection::RejectionCode;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::shape::{Columns, Identity, RowShape};
use crate::strict_csv::{Quotes, StrictCsvScanner};
use crate::text::{self, ValueError, value_missing};

/// What the rows of a Spigit file have in common.
pub const SHAPE: RowShape = RowShape { identity: Identity::Username, columns: Columns::Core, field_name: title_of };

/// The separator of a Spigit file.
pub const DELIMITER: u8 = b',';
/// Maximum length of an attribute value in characters.
const MAX_ATTRIBUTE_CHARS: usize = 4096;

/// Parses and checks the records of a batch whose first record starts on `first_line`.
pub fn check_batch(
    header: &Header,
    handling: Handling,
    limits: RecordLimits,
    first_line: u64,
    records: &[u8],
) -> CheckedBatch {
    let capacity = records.len() + records.len() / 4;
    let mut batch = CheckedBatch::new(SHAPE, header.titles().to_vec(), capacity);
    let mut scanner = StrictCsvScanner::new(DELIMITER, limits, first_line);
    let mut rest = records;
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                check_record(header, handling, &scanner, &mut batch);
            }
            Ok(Scan::End | Scan::NeedInput) => return batch,
            // The splitter ends a file before such a record, so it occurs only in a damaged message.
            Err(error) => {
                batch.push_rejection(error.into());
                return batch;
            }
        }
    }
}

fn title_of(field: Field) -> &'static str {
    field.spec().spigit_title
}

fn check_record(header: &Header, handling: Handling, scanner: &StrictCsvScanner, batch: &mut CheckedBatch) {
    let check = RowCheck::new(header, handling, scanner);
    if let Err((column, error)) = batch.check_row(|batch| check.run(batch)) {
        let column = column.map(|position| header.titles()[position].as_str());
        batch.push_rejection(error.rejection(scanner.line(), column));
    }
}

/// The position of the invalid column, unless the error concerns the whole row, and the error.
type RowError = (Option<usize>, ValueError);

struct RowCheck<'a> {
    header: &'a Header,
    handling: Handling,
    scanner: &'a StrictCsvScanner,
    /// All values of the row, if they are UTF-8: checking the row at once is cheaper than checking each value.
    text: Option<&'a str>,
    /// Whether the row has only characters that need no further check.
    is_printable: bool,
}

impl<'a> RowCheck<'a> {
    fn new(header: &'a Header, handling: Handling, scanner: &'a StrictCsvScanner) -> Self {
        let bytes = scanner.fields();
        let text = std::str::from_utf8(bytes).ok();
        Self { header, handling, scanner, text, is_printable: text::is_printable_ascii(bytes) }
    }

    fn run(&self, batch: &mut CheckedBatch) -> Result<(), RowError> {
        self.check_structure()?;
        let mut cells = [SpanCell::Keep; FIELD_COUNT];
        let mut attributes = Vec::new();
        let mut warnings = 0;
        for (position, column) in self.header.columns().iter().enumerate() {
            match column {
                Column::Field(field) => match self.field(field.spec(), position, batch) {
                    Ok(Some(cell)) => cells[field.index()] = cell,
                    Ok(None) => warnings += 1,
                    Err(error) => return Err((Some(position), error)),
                },
                Column::Attribute => match self.attribute(position, batch) {
                    Ok(Some(cell)) => {
                        attributes.push((u16::try_from(position).expect("a header has at most 200 columns"), cell));
                    }
                    Ok(None) => warnings += 1,
                    Err(error) => return Err((Some(position), error)),
                },
            }
        }
        let key = self.folded(Field::Username, &cells, batch)?;
        let email_key = self.folded(Field::Email, &cells, batch)?;
        let row = RowSpans {
            line: self.scanner.line(),
            row: None,
            key,
            username_key: Some(key),
            email_key: Some(email_key),
            password: None,
            password_hash: None,
            cells,
            attributes,
        };
        batch.push_row(row, warnings);
        Ok(())
    }

    fn check_structure(&self) -> Result<(), RowError> {
        if self.scanner.quotes() != Quotes::WellFormed {
            let problem = "misplaced quote: quote the whole value and double the quotes inside it";
            return Err((None, ValueError { code: RejectionCode::QuoteMisplaced, problem: problem.to_owned() }));
        }
        let (expected, found) = (self.header.titles().len(), self.scanner.field_count());
        if found == expected || (found < expected && self.handling == Handling::Lenient) {
            return Ok(());
        }
        if found == 1 && self.scanner.field(0) == Some(b"\x1a") {
            let problem = "has only the character U+001A (Ctrl-Z), which old programs put at the end of a file";
            return Err((None, ValueError { code: RejectionCode::ControlChar, problem: problem.to_owned() }));
        }
        let hint = if found == expected + 1 && self.scanner.field(expected).is_some_and(<[u8]>::is_empty) {
            " (is there a comma at the end of the line?)"
        } else {
            ""
        };
        let problem = format!("expected {expected} values, found {found}{hint}");
        Err((None, ValueError { code: RejectionCode::ColumnCount, problem }))
    }

    /// The trimmed value of a column. A missing trailing value is empty, which only lenient handling allows.
    fn value(&self, position: usize) -> Result<&str, ValueError> {
        let Some(range) = self.scanner.field_range(position) else { return Ok("") };
        let value = match self.text {
            // The whole row can be UTF-8 although a character is cut by the end of a value; `get` then returns `None`.
            // An empty value inside such a character is valid nevertheless.
            Some(text) if !range.is_empty() => text.get(range),
            _ => std::str::from_utf8(&self.scanner.fields()[range]).ok(),
        };
        let not_utf8 = || ValueError { code: RejectionCode::Utf8Invalid, problem: "is not UTF-8".to_owned() };
        value.map(text::trim).ok_or_else(not_utf8)
    }

    /// The cell of a field; `None` if an invalid optional value is skipped.
    fn field(
        &self,
        spec: &FieldSpec,
        position: usize,
        batch: &mut CheckedBatch,
    ) -> Result<Option<SpanCell>, ValueError> {
        let cell = self.value(position).and_then(|value| match value {
            "" if spec.required => Err(value_missing()),
            "" => Ok(SpanCell::Clear),
            value => self.append_checked(spec.kind, value, batch),
        });
        self.skip_if_optional(spec.required, cell)
    }

    /// The cell of an attribute; `None` if an invalid value is skipped.
    fn attribute(&self, position: usize, batch: &mut CheckedBatch) -> Result<Option<SpanCell>, ValueError> {
        let cell = self.value(position).and_then(|value| match value {
            "" => Ok(SpanCell::Clear),
            value => self.append_checked(FieldKind::Text(MAX_ATTRIBUTE_CHARS), value, batch),
        });
        self.skip_if_optional(false, cell)
    }

    fn append_checked(&self, kind: FieldKind, value: &str, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
        if !self.is_printable {
            text::check_characters(value)?;
        }
        Ok(SpanCell::Set(batch.append(|out| text::canonical(kind, value, out))?))
    }

    /// Turns the error of an optional value into `None` in lenient handling.
    fn skip_if_optional(
        &self,
        required: bool,
        cell: Result<SpanCell, ValueError>,
    ) -> Result<Option<SpanCell>, ValueError> {
        match cell {
            Ok(cell) => Ok(Some(cell)),
            Err(_) if self.handling == Handling::Lenient && !required => Ok(None),
            Err(error) => Err(error),
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
            SpanCell::Set(span) => key::fold(batch.slice(span)),
            SpanCell::Keep | SpanCell::Clear => String::new(),
        };
        if folded.is_empty() {
            return Err((self.header.position(field), value_missing()));
        }
        Ok(batch.push_text(&folded))
    }
}

#[cfg(test)]
mod tests;
