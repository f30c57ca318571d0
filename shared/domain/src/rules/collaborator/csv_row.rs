//! The rows of a CSV file or of a workbook.

use std::borrow::Cow;

use super::input::Input;
use super::keys::{KEYS, Target};
use super::row::{RowError, RowPosition, check_row, check_values};
use super::values::Kind;
use super::{MAX_COLUMNS, clean_uid};
use crate::batch::CheckedBatch;
use crate::csv::CsvScanner;
use crate::file::Format;
use crate::rejection::RejectionCode;
use crate::rules::{CheckRules, describe_lines};
use crate::scanner::Scanner;
use crate::text::ValueError;
use crate::warning::{Warning, WarningCode};
use crate::workbook_cell::{self, CellPlace, CellValue};

pub(super) fn check_csv_row(rules: &CheckRules, scanner: &CsvScanner, row: u64, batch: &mut CheckedBatch) {
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
