//! The rows of a sheet as CSV text: the row with the number 17 is line 17.

use muster_domain::workbook_cell::{self, Damage};

use super::number;
use super::sheet::{Cell, Row, Value};
use super::strings::Strings;
use super::styles::Styles;
use crate::error::ArchiveError;

/// How much text is returned at a time, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// The size of a line after which its other cells are left out. It is more than the limit of a record.
const MAX_LINE_BYTES: usize = 4 << 20;

/// Makes CSV text of rows.
pub(super) struct SheetText<'a> {
    delimiter: char,
    strings: &'a Strings,
    styles: &'a Styles,
    counts_from_1904: bool,
    out: String,
    /// The number of the row that the next line has.
    next_line: u64,
    /// Whether there was a row with values.
    has_rows: bool,
    /// The columns that had a number already.
    had_number: Vec<bool>,
    cell: String,
}

impl<'a> SheetText<'a> {
    pub(super) fn new(delimiter: u8, strings: &'a Strings, styles: &'a Styles, counts_from_1904: bool) -> Self {
        let (out, cell, delimiter) = (String::new(), String::new(), char::from(delimiter));
        Self {
            delimiter,
            strings,
            styles,
            counts_from_1904,
            out,
            next_line: 1,
            has_rows: false,
            had_number: Vec::new(),
            cell,
        }
    }

    /// Adds a row. One without values only makes a line if a row with values follows.
    pub(super) fn push_row(&mut self, row: &Row) -> Result<(), ArchiveError> {
        let start = self.out.len();
        while self.next_line < row.number {
            self.out.push('\n');
            self.next_line += 1;
        }
        let line_start = self.out.len();
        let mut column = 0;
        let mut has_value = false;
        for cell in row.iter().filter(|cell| cell.value != Value::Empty) {
            // The record is too large already, and fails.
            if self.out.len() - line_start > MAX_LINE_BYTES {
                break;
            }
            self.out.extend(std::iter::repeat_n(self.delimiter, cell.column - column));
            column = cell.column;
            self.push_cell(cell)?;
            has_value = true;
        }
        if has_value {
            self.out.push('\n');
            self.next_line += 1;
            self.has_rows = true;
        } else {
            self.next_line -= (line_start - start) as u64;
            self.out.truncate(start);
        }
        Ok(())
    }

    fn push_cell(&mut self, cell: &Cell) -> Result<(), ArchiveError> {
        self.cell.clear();
        match &cell.value {
            Value::Empty => {}
            Value::Shared(at) => workbook_cell::push_text(self.strings.get(*at)?, &mut self.cell),
            Value::Text(text) => workbook_cell::push_text(text, &mut self.cell),
            Value::Number(raw) => {
                // The titles are mostly in the first row, where a number needs no warning.
                let is_first = self.has_rows && self.takes_first_number(cell.column);
                let format = self.styles.format(cell.style);
                number::push(raw, format, self.counts_from_1904, is_first, &mut self.cell);
            }
            Value::IsoDate(text) => number::push_iso_date(text, &mut self.cell),
            Value::Truth => workbook_cell::push_damage(Damage::Truth, &mut self.cell),
            Value::Error => workbook_cell::push_damage(Damage::Error, &mut self.cell),
            Value::UnsavedFormula => workbook_cell::push_damage(Damage::UnsavedFormula, &mut self.cell),
        }
        let is_padded = self.cell.starts_with(char::is_whitespace) || self.cell.ends_with(char::is_whitespace);
        if is_padded || self.cell.contains([self.delimiter, '"']) {
            self.out.push('"');
            self.out.push_str(&self.cell.replace('"', "\"\""));
            self.out.push('"');
        } else {
            self.out.push_str(&self.cell);
        }
        Ok(())
    }

    fn takes_first_number(&mut self, column: usize) -> bool {
        if self.had_number.len() <= column {
            self.had_number.resize(column + 1, false);
        }
        !std::mem::replace(&mut self.had_number[column], true)
    }

    /// Whether there is enough text to be taken.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= PIECE_BYTES
    }

    /// Takes the text so far.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out).into_bytes()
    }
}
