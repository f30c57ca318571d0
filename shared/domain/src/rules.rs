//! The checks on the values of a row, for each dialect.

pub mod collaborator;
pub mod email;
pub mod invisible;
pub mod key;
pub mod own_titles;
pub mod spigit;
pub mod spreadsheet;
pub mod text;

use crate::batch::CheckedBatch;
use crate::csv::{BrokenLine, CsvScanner, CsvSyntax, LineProblem};
use crate::file::{Dialect, Format, Handling};
use crate::header::Header;
use crate::json_lines;
use crate::rejection::Rejection;
use crate::scanner::{RecordLimits, Scanner};
use crate::shape::RowShape;
use crate::warning::{Warning, WarningCode};

/// How the rows of a file of this dialect identify users, and which fields they can set.
pub const fn row_shape(dialect: Dialect) -> RowShape {
    match dialect {
        Dialect::Spigit => spigit::SHAPE,
        Dialect::Collaborator => collaborator::SHAPE,
    }
}

/// The separator of the values of a CSV file of this dialect.
pub const fn delimiter(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Spigit => spigit::DELIMITER,
        Dialect::Collaborator => collaborator::DELIMITER,
    }
}

/// What the rows of a job are checked by. Frozen when the job was accepted.
#[derive(Clone, Debug)]
pub struct CheckRules {
    /// The API through which the file was uploaded.
    pub dialect: Dialect,
    /// What happens to short rows and unreadable optional values.
    pub handling: Handling,
    /// How the records are written.
    pub format: Format,
    /// The column titles. Those of a Collaborator file, which are empty if they are not known, only say how many values
    /// a row has.
    pub header: Header,
    /// Limits on one record.
    pub limits: RecordLimits,
}

impl CheckRules {
    /// How the records of a file are written that has a record on each line.
    pub fn line_syntax(&self) -> CsvSyntax {
        match (self.format, self.dialect) {
            (Format::JsonLines, _) => json_lines::syntax(self.limits),
            (_, Dialect::Spigit) => spigit::csv_syntax(&self.header, self.handling, self.format, self.limits),
            (_, Dialect::Collaborator) => collaborator::csv_syntax(self.limits),
        }
    }
}

/// The records of a batch.
#[derive(Clone, Debug)]
pub struct BatchRecords<'a> {
    /// The physical line on which the text starts, counted from 1.
    pub first_line: u64,
    /// The number of the first record in its file, counted from 1.
    pub first_row: u64,
    /// The lines from which no record could be read, in their order; `None` if they are to be found.
    pub broken: Option<Vec<BrokenLine>>,
    /// The text.
    pub text: &'a [u8],
}

impl BatchRecords<'_> {
    /// The scanner of the records.
    fn csv_scanner(&mut self, syntax: CsvSyntax) -> CsvScanner {
        match self.broken.take() {
            Some(broken) => CsvScanner::of_batch(syntax, self.first_line, broken),
            None => CsvScanner::new(syntax, self.first_line),
        }
    }
}

/// Parses and checks the records of a batch.
pub fn check_batch(rules: &CheckRules, records: BatchRecords<'_>) -> CheckedBatch {
    match rules.dialect {
        Dialect::Spigit => spigit::check_batch(rules, records),
        Dialect::Collaborator => collaborator::check_batch(rules, records),
    }
}

/// The rejection of a line from which no record could be read.
pub(crate) fn broken_line(scanner: &CsvScanner, problem: LineProblem, row: u64) -> Rejection {
    let limits = scanner.limits();
    let message = match problem {
        LineProblem::QuoteUnclosed => "a quote opens a value, and no quote closes it".to_owned(),
        LineProblem::RowInQuotes => "a quote opens a value, and no quote closes it before the next row".to_owned(),
        LineProblem::QuoteMisplaced => {
            "misplaced quote: quote the whole value and double the quotes inside it".to_owned()
        }
        LineProblem::ValueCount => {
            "a quoted value continues on the next line, and the row then has the wrong number of values: is a quote \
             misplaced?"
                .to_owned()
        }
        LineProblem::TooLarge => format!("the record is larger than {} bytes", limits.max_bytes),
    };
    Rejection::new(scanner.line(), None, problem.code(), message).with_row(Some(row))
}

/// What is added to the message of a failed row that spans lines: a stray quote may have joined them.
pub(crate) fn describe_lines(scanner: &CsvScanner) -> String {
    match scanner.line_count() {
        0 | 1 => String::new(),
        lines => format!("; the row spans lines {} to {}", scanner.line(), scanner.line() + lines - 1),
    }
}

/// Adds a warning for each line of titles that was skipped before the record.
pub(crate) fn warn_of_titles(scanner: &CsvScanner, batch: &mut CheckedBatch) {
    for line in scanner.title_lines() {
        batch.push_warning(Warning { line: *line, row: None, column: String::new(), code: WarningCode::TitleLine });
    }
}
