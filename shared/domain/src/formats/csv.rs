//! Finds the records of CSV text and counts physical lines.
//!
//! A record that cannot be read costs its first line: reading continues on the next one, so that every physical line
//! is part of a record, is a broken line or is blank. Where records start and which lines are broken depends only on the
//! text, not on the pieces in which it arrives.

mod cells;
mod lines;
mod parse;

use std::borrow::Cow;
use std::collections::VecDeque;

use super::buffer::Buffer;
use crate::scanner::{Lead, RecordError, RecordLimits, Scan, Scanner};
use cells::Cell;
use parse::{Parsed, parse_record};

pub(super) use lines::first_line;
pub use lines::{BrokenLine, LineProblem};

/// What a broken line is replaced by if it is too large to be kept.
const PLACEHOLDER: &[u8] = b"?\n";

/// The meaning of quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteStyle {
    /// RFC 4180: a quote encloses a whole value, or is doubled inside one. Any other quote breaks the line.
    Strict,
    /// A quote that does not enclose a whole value is an ordinary character.
    Loose,
}

/// How the records of a file are written.
#[derive(Clone, Copy, Debug)]
pub struct CsvSyntax {
    /// The separator of values.
    pub delimiter: u8,
    /// The meaning of quotes.
    pub quotes: QuoteStyle,
    /// The limits on one record.
    pub limits: RecordLimits,
    /// How many values a record of several lines has at least and at most, apart from empty ones at its end. With other
    /// values a quote is misplaced.
    pub values: (usize, usize),
    /// A line inside a quoted value with at least this many values is a row, and the quote is misplaced.
    pub row_values: usize,
    /// Whether a cell is a known title. A line of known titles is skipped.
    pub is_title: fn(&str) -> bool,
}

/// Finds the records of CSV text.
///
/// A scan consumes all of its input at once. Further records in it are returned by scans of an empty input.
pub struct CsvScanner {
    syntax: CsvSyntax,
    buffer: Buffer,
    lead: Lead,
    /// The lines of titles in the lead.
    title_lines: Vec<u64>,
    cells: Vec<Cell>,
    /// The size of the record in the text.
    bytes: u64,
    /// The number of physical lines of the record.
    lines: u64,
    /// The bytes of a line that is too large, as far as they were consumed.
    dropped_bytes: u64,
    /// What is wrong with the line, if it is broken.
    problem: Option<LineProblem>,
    /// Whether a record was found and not consumed.
    is_complete: bool,
    record_line: u64,
    lead_line: u64,
    /// How much text must be buffered before the record is parsed again.
    enough_bytes: usize,
    /// The broken lines of a batch; `None` if they are to be found.
    known_broken: Option<VecDeque<BrokenLine>>,
    blank_rows: u64,
    skipped_lines: u64,
}

impl CsvScanner {
    /// Creates a scanner for text that starts on physical line `line` and has no byte order mark.
    pub fn new(syntax: CsvSyntax, line: u64) -> Self {
        Self {
            syntax,
            buffer: Buffer::default(),
            lead: Lead::default(),
            title_lines: Vec::new(),
            cells: Vec::new(),
            bytes: 0,
            lines: 0,
            dropped_bytes: 0,
            problem: None,
            is_complete: false,
            record_line: line,
            lead_line: line,
            enough_bytes: 0,
            known_broken: None,
            blank_rows: 0,
            skipped_lines: 0,
        }
    }

    /// Creates a scanner for a batch, whose broken lines were found when it was cut: why a line is broken may depend on
    /// the lines after the batch.
    pub fn of_batch(syntax: CsvSyntax, line: u64, broken: Vec<BrokenLine>) -> Self {
        Self { known_broken: Some(broken.into()), ..Self::new(syntax, line) }
    }

    /// The number of values in the record.
    pub fn field_count(&self) -> usize {
        self.cells.len()
    }

    /// The value at a position: without its quotes if it is quoted, else with its white space.
    pub fn field(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        Some(self.cells.get(index)?.value(self.buffer.rest()))
    }

    /// The value at a position, in `text`, which is the whole record as UTF-8.
    pub fn field_in<'a>(&self, index: usize, text: &'a str) -> Option<Cow<'a, str>> {
        self.cells.get(index)?.value_in(text)
    }

    /// The limits on one record.
    pub fn limits(&self) -> RecordLimits {
        self.syntax.limits
    }

    /// The line on which the text before the record starts, or the record if there is none.
    pub fn lead_line(&self) -> u64 {
        self.lead_line
    }

    /// What is wrong with the line; `None` if a record was found.
    pub fn problem(&self) -> Option<LineProblem> {
        self.problem
    }

    /// The number of physical lines of the record.
    pub fn line_count(&self) -> u64 {
        self.lines
    }

    /// The lines before the record that were skipped because they have titles. Only of a lead that is kept.
    pub fn title_lines(&self) -> &[u64] {
        &self.title_lines
    }

    /// How many blank rows were skipped so far.
    pub fn blank_rows(&self) -> u64 {
        self.blank_rows
    }

    /// How many lines of titles were skipped so far.
    pub fn skipped_lines(&self) -> u64 {
        self.skipped_lines
    }

    /// Finds the next record. Returns `false` if more input is needed.
    fn find_record(&mut self, at_end: bool) -> bool {
        if self.dropped_bytes > 0 {
            return self.drop_line(at_end);
        }
        if let Some(known) = &mut self.known_broken {
            if let Some(broken) = known.pop_front_if(|broken| broken.line == self.record_line) {
                return self.take_line(broken.problem, at_end);
            }
        } else if self.buffer.rest().len() < self.enough_bytes && !at_end {
            return false;
        }
        match parse_record(self.buffer.rest(), at_end, &self.syntax, &mut self.cells) {
            Parsed::NeedInput => {
                // Twice as much, so that the text before a far closing quote is not parsed for every piece of input.
                self.enough_bytes = (self.buffer.rest().len() * 2).min(self.syntax.limits.max_bytes + 1);
                false
            }
            Parsed::Record { bytes, lines } => {
                self.complete(bytes, lines, None);
                true
            }
            Parsed::Broken(problem) => self.take_line(problem, at_end),
        }
    }

    /// Takes the first line as a broken one. Returns `false` if more input is needed to find its end.
    fn take_line(&mut self, problem: LineProblem, at_end: bool) -> bool {
        self.cells.clear();
        let max_bytes = self.syntax.limits.max_bytes;
        match first_line(self.buffer.rest(), at_end) {
            Some(bytes) if bytes <= max_bytes => {
                self.complete(bytes, 1, Some(problem));
                true
            }
            None if self.buffer.rest().len() <= max_bytes => false,
            Some(_) | None => self.drop_line(at_end),
        }
    }

    /// Consumes a line that is too large to be kept. Returns `false` if more input is needed to find its end.
    fn drop_line(&mut self, at_end: bool) -> bool {
        self.cells.clear();
        let rest = self.buffer.rest();
        let end = first_line(rest, at_end);
        // A CR at the end stays until the byte after it has arrived.
        let dropped = end.unwrap_or(rest.len() - usize::from(rest.last() == Some(&b'\r')));
        self.buffer.consume(dropped);
        self.dropped_bytes += dropped as u64;
        if end.is_some() {
            self.complete(0, 1, Some(LineProblem::TooLarge));
        }
        end.is_some()
    }

    fn complete(&mut self, bytes: usize, lines: u64, problem: Option<LineProblem>) {
        self.bytes = bytes as u64;
        self.lines = lines;
        self.problem = problem;
        self.is_complete = true;
        self.enough_bytes = 0;
    }

    fn consume_record(&mut self) {
        self.buffer.consume(self.buffered_bytes());
        self.record_line += self.lines;
        self.dropped_bytes = 0;
        self.bytes = 0;
        self.is_complete = false;
    }

    /// The size of the record in the buffer.
    fn buffered_bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// Adds the record to the lead of the next one if it has no row: a blank row or a line of titles.
    fn skip(&mut self) -> bool {
        if self.problem.is_some() {
            return false;
        }
        let record = &self.buffer.rest()[..self.buffered_bytes()];
        let is_blank = cells::are_blank(&self.cells, record);
        if !is_blank && !cells::are_titles(&self.cells, record, self.syntax.is_title) {
            return false;
        }
        self.lead.push(record);
        if is_blank {
            self.blank_rows += 1;
        } else {
            self.skipped_lines += 1;
            if self.lead.kept().is_some() {
                self.title_lines.push(self.record_line);
            }
        }
        self.consume_record();
        true
    }
}

impl Scanner for CsvScanner {
    fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.is_complete {
            self.lead.clear();
            self.title_lines.clear();
            self.consume_record();
            self.lead_line = self.record_line;
        }
        self.buffer.append(input);
        while !(at_end && self.buffer.rest().is_empty() && self.dropped_bytes == 0) {
            if !self.find_record(at_end) {
                return Ok(Scan::NeedInput);
            }
            if !self.skip() {
                return Ok(Scan::Record(input.len()));
            }
        }
        Ok(Scan::End)
    }

    fn raw(&self) -> &[u8] {
        if self.dropped_bytes > 0 { PLACEHOLDER } else { &self.buffer.rest()[..self.buffered_bytes()] }
    }

    fn bytes(&self) -> u64 {
        self.bytes + self.dropped_bytes
    }

    fn lead(&self) -> Option<&[u8]> {
        self.lead.kept()
    }

    fn lead_bytes(&self) -> u64 {
        self.lead.total_bytes()
    }

    fn line(&self) -> u64 {
        self.record_line
    }
}

/// The limits and titles of a text of which only the records matter.
#[cfg(test)]
pub(crate) fn syntax_for_tests(delimiter: u8, quotes: QuoteStyle, limits: RecordLimits) -> CsvSyntax {
    CsvSyntax { delimiter, quotes, limits, values: (0, usize::MAX), row_values: usize::MAX, is_title: |_| false }
}

#[cfg(test)]
mod tests;
