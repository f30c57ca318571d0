//! The rules of a Spigit row.
//!
//! A row must have as many values as the header has columns, and the four required values EMAIL, USERNAME, FIRST_NM
//! and LAST_NM. All other columns are optional; an empty value clears the stored one.

mod json;
mod opening;
mod row;
mod values;

use super::{BatchRecords, CheckRules, broken_line, describe_lines, warn_of_titles};
use crate::batch::CheckedBatch;
use crate::csv::{CsvScanner, CsvSyntax, QuoteStyle};
use crate::field::Field;
use crate::file::{Dialect, Format, Handling};
use crate::header::{Header, PASSWORD_TITLES as PASSWORD_KEYS};
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::shape::{Columns, Identity, RowShape};
use row::RowCheck;

pub use json::{keys_of_line, similar_title, unknown_keys};
pub use opening::find_rows;

/// What the rows of a Spigit file have in common.
pub const SHAPE: RowShape = RowShape { identity: Identity::Username, columns: Columns::Core, field_name: title_of };

/// The separator of a Spigit file.
pub const DELIMITER: u8 = b',';
/// Maximum length of an attribute value in characters.
const MAX_ATTRIBUTE_CHARS: usize = 4096;

/// How the records of a file with these titles are written. The cells of a workbook that are not written are empty, so that
/// none of its rows is short.
pub fn csv_syntax(header: &Header, handling: Handling, format: Format, limits: RecordLimits) -> CsvSyntax {
    let titles = header.titles().len();
    let min_values = match (handling, format) {
        (Handling::Strict, Format::Csv | Format::Json | Format::JsonLines) => titles,
        (Handling::Strict, Format::Workbook) | (Handling::Lenient, _) => 0,
    };
    CsvSyntax {
        delimiter: DELIMITER,
        quotes: QuoteStyle::Strict,
        limits,
        values: (min_values, titles),
        row_values: titles,
        is_title: |cell| Field::from_spigit_title(cell).is_some(),
    }
}

/// Parses and checks the records of a batch.
pub fn check_batch(rules: &CheckRules, mut records: BatchRecords<'_>) -> CheckedBatch {
    let capacity = records.text.len() + records.text.len() / 4;
    let mut batch = CheckedBatch::new(SHAPE, rules.header.titles().to_vec(), capacity);
    let mut scanner = records.csv_scanner(rules.line_syntax());
    let (mut rest, mut row) = (records.text, records.first_row);
    // CSV text has no error that ends it.
    while let Ok(Scan::Record(consumed)) = scanner.scan(rest, true) {
        rest = &rest[consumed..];
        warn_of_titles(&scanner, &mut batch);
        match rules.format {
            Format::JsonLines => json::check_line(rules, &scanner, row, &mut batch),
            Format::Csv | Format::Json | Format::Workbook => check_record(rules, &scanner, row, &mut batch),
        }
        row += 1;
    }
    warn_of_titles(&scanner, &mut batch);
    batch
}

/// Parses and checks the records of a text that is not part of a batch.
pub fn check_text(
    header: &Header,
    handling: Handling,
    limits: RecordLimits,
    first_line: u64,
    text: &[u8],
) -> CheckedBatch {
    let rules = CheckRules { dialect: Dialect::Spigit, handling, format: Format::Csv, header: header.clone(), limits };
    check_batch(&rules, BatchRecords { first_line, first_row: 1, broken: None, text })
}

fn title_of(field: Field) -> &'static str {
    field.spec().spigit_title
}

fn check_record(rules: &CheckRules, scanner: &CsvScanner, row: u64, batch: &mut CheckedBatch) {
    if let Some(problem) = scanner.problem() {
        return batch.push_rejection(broken_line(scanner, problem, row));
    }
    let check = RowCheck::new(rules, scanner, row);
    if let Err((column, mut error)) = batch.check_row(|batch| check.run(batch)) {
        let column = column.map(|position| check.header.titles()[position].as_str());
        error.problem.push_str(&describe_lines(scanner));
        batch.push_rejection(error.rejection(scanner.line(), column).with_row(Some(row)));
    }
}

#[cfg(test)]
mod tests;
