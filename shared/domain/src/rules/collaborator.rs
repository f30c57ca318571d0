//! The rules of a row of the Collaborator users-import API, in CSV and JSON.
//!
//! A user is identified by its uid. A value that a row does not have (a key that is absent or null, a cell after the
//! end of the row) stays unchanged. An empty value clears an optional text. The status is an exception: a user who
//! is named and not blocked by the row becomes active.

mod csv_row;
mod input;
mod json_row;
mod keys;
mod opening;
mod row;
mod titles;
mod values;

use std::borrow::Cow;

use super::{BatchRecords, CheckRules, broken_line, warn_of_titles};
use crate::batch::CheckedBatch;
use crate::csv::{CsvSyntax, QuoteStyle};
use crate::file::{Dialect, Format, Handling};
use crate::header::Header;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::shape::{Columns, Identity, RowShape};
use crate::workbook_cell;
use crate::{invisible, spreadsheet};

use csv_row::check_csv_row;
use json_row::{check_json, check_object};
use keys::{KEYS, key_of};
use row::RowPosition;

pub use json_row::{JsonKeys, keys_of_json, unknown_keys};
pub use keys::{REQUIRED_KEYS, column_names, is_key, position_of, similar_key};
pub(super) use keys::{field_of_key, key_of_field};
pub use opening::find_rows;

/// What the rows of a Collaborator file have in common.
pub const SHAPE: RowShape = RowShape { identity: Identity::Uid, columns: Columns::All, field_name: key_of };

/// The separator of a Collaborator file.
pub const DELIMITER: u8 = b';';
/// Maximum number of columns in a file; further cells must be empty.
pub const MAX_COLUMNS: usize = 29;
/// A line inside a quoted cell with at least this many cells is a row: the required ones.
const ROW_CELLS: usize = 5;
/// The uid in a CSV cell or JSON string, which identifies the user of the row; `None` if there is none.
pub fn clean_uid(text: &str) -> Option<Cow<'_, str>> {
    let uid = invisible::remove(spreadsheet::formula_text(invisible::trim(workbook_cell::unmarked_number(text))));
    (!uid.trim().is_empty()).then_some(uid)
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

#[cfg(test)]
mod tests;
