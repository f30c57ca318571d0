//! The rules of a Spigit row.
//!
//! A row needs as many values as the header has titles and the four core values EMAIL, USERNAME,
//! FIRST_NM and LAST_NM. Every other column is optional; a blank clears what is stored.

use crate::batch::{CheckedBatch, RowSpans, SpanCell};
use crate::field::{FIELD_COUNT, Field, FieldKind, FieldSpec};
use crate::header::{Column, Header};
use crate::job::Handling;
use crate::key;
use crate::record::{Quotes, RecordLimits, RecordScanner, Scan};
use crate::rejection::RejectionCode;
use crate::shape::{Columns, Identity, RowShape};
use crate::text::{self, ValueError, missing};

/// What the rows of a Spigit file have in common.
pub const SHAPE: RowShape =
    RowShape { identity: Identity::Username, columns: Columns::Core, field_name: |field| field.spec().spigit_title };

/// The separator of a Spigit file.
pub const DELIMITER: u8 = b',';
/// Characters of an attribute's value at most.
const MAX_ATTRIBUTE: usize = 4096;

/// Parses and checks the records of a batch.
pub fn check_batch(
    header: &Header,
    handling: Handling,
    limits: RecordLimits,
    first_line: u64,
    records: &[u8],
) -> CheckedBatch {
    let mut batch = CheckedBatch::new(SHAPE, header.titles().to_vec(), records.len() + records.len() / 4);
    let mut scanner = RecordScanner::new(DELIMITER, limits, first_line);
    let mut rest = records;
    loop {
        match scanner.scan(rest, true) {
            Ok(Scan::Record(consumed)) => {
                rest = &rest[consumed..];
                check_record(header, handling, &scanner, &mut batch);
            }
            Ok(Scan::End | Scan::NeedInput) => return batch,
            // The splitter ends a file before such a record, so only a damaged message has one.
            Err(error) => {
                batch.push_rejection(error.into());
                return batch;
            }
        }
    }
}

fn check_record(header: &Header, handling: Handling, scanner: &RecordScanner, batch: &mut CheckedBatch) {
    let check = RowCheck::new(header, handling, scanner);
    if let Err((column, error)) = batch.attempt(|batch| check.run(batch)) {
        let column = column.map(|position| header.titles()[position].as_str());
        batch.push_rejection(error.rejection(scanner.line(), column));
    }
}

/// The position of the column at fault, where there is one, and the fault.
type RowError = (Option<usize>, ValueError);

struct RowCheck<'a> {
    header: &'a Header,
    handling: Handling,
    scanner: &'a RecordScanner,
    /// All values of the row, if they are UTF-8: one check of a whole row costs less than one of each value.
    text: Option<&'a str>,
    /// Whether the row has no character that could be refused.
    is_printable: bool,
}

impl<'a> RowCheck<'a> {
    fn new(header: &'a Header, handling: Handling, scanner: &'a RecordScanner) -> Self {
        let bytes = scanner.fields();
        let text = std::str::from_utf8(bytes).ok();
        Self { header, handling, scanner, text, is_printable: text::is_printable_ascii(bytes) }
    }

    fn run(&self, batch: &mut CheckedBatch) -> Result<(), RowError> {
        self.check_shape()?;
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

    fn check_shape(&self) -> Result<(), RowError> {
        if self.scanner.quotes() != Quotes::WellFormed {
            let problem = "a quote stands where none may be: quote the whole value and double the quotes inside";
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

    /// The trimmed value of a column; a missing trailing cell counts as empty (lenient handling).
    fn value(&self, position: usize) -> Result<&str, ValueError> {
        let Some(place) = self.scanner.place(position) else { return Ok("") };
        let value = match self.text {
            // Halves of a character that stand at the edges of two values are none, and an empty value may stand
            // between them.
            Some(text) if !place.is_empty() => text.get(place),
            _ => std::str::from_utf8(&self.scanner.fields()[place]).ok(),
        };
        let not_utf8 = || ValueError { code: RejectionCode::Utf8Invalid, problem: "is not UTF-8".to_owned() };
        value.map(text::trim).ok_or_else(not_utf8)
    }

    /// What a row says about a field; nothing if an unreadable option is left out.
    fn field(
        &self,
        spec: &FieldSpec,
        position: usize,
        batch: &mut CheckedBatch,
    ) -> Result<Option<SpanCell>, ValueError> {
        let cell = self.value(position).and_then(|value| match value {
            "" if spec.required => Err(missing()),
            "" => Ok(SpanCell::Clear),
            value => self.checked(spec.kind, value, batch),
        });
        self.unless_optional(spec.required, cell)
    }

    /// What a row says about an attribute; nothing if an unreadable value is left out.
    fn attribute(&self, position: usize, batch: &mut CheckedBatch) -> Result<Option<SpanCell>, ValueError> {
        let cell = self.value(position).and_then(|value| match value {
            "" => Ok(SpanCell::Clear),
            value => self.checked(FieldKind::Text(MAX_ATTRIBUTE), value, batch),
        });
        self.unless_optional(false, cell)
    }

    fn checked(&self, kind: FieldKind, value: &str, batch: &mut CheckedBatch) -> Result<SpanCell, ValueError> {
        if !self.is_printable {
            text::check_characters(value)?;
        }
        Ok(SpanCell::Set(batch.append(|out| text::canonical(kind, value, out))?))
    }

    /// Lenient handling leaves an optional value out that cannot be read.
    fn unless_optional(
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

    /// The folded form of a required value. It may be empty although the value is not, when the
    /// value is made of characters that nobody sees.
    fn folded(
        &self,
        field: Field,
        cells: &[SpanCell; FIELD_COUNT],
        batch: &mut CheckedBatch,
    ) -> Result<crate::batch::Span, RowError> {
        let folded = match cells[field.index()] {
            SpanCell::Set(span) => key::fold(batch.slice(span)),
            SpanCell::Keep | SpanCell::Clear => String::new(),
        };
        if folded.is_empty() {
            return Err((self.header.position(field), missing()));
        }
        batch.append(|out| {
            out.push_str(&folded);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
