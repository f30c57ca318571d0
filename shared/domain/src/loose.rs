//! Cuts the CSV of Collaborator into records: cells between semicolons that may or may not be quoted.
//!
//! Its files are written by hand and by tools that never quote, so a quote is first of all a character:
//! `"Kievsky" Department` and `5" disk` are values as they stand. Only a cell that is quoted from its
//! first to its last byte is read as RFC 4180 has it. Quotes therefore never end a file. To know how a
//! cell that opens with a quote ends, one must look ahead, so the scanner keeps the text it is given.

use std::borrow::Cow;

use crate::record::{RecordError, RecordLimits, Scan};
use crate::rejection::RejectionCode;

/// Blank lines before a record are kept up to so many bytes.
const LEAD_KEPT: u64 = 4096;

/// Finds the records in a stream of bytes, fed in pieces of any size.
pub struct LooseScanner {
    delimiter: u8,
    limits: RecordLimits,
    buffer: Buffer,
    lead: Vec<u8>,
    lead_bytes: u64,
    cells: Vec<Cell>,
    cell_start: usize,
    search: Search,
    /// Line ends inside of the cells found so far.
    inner_lines: u64,
    length: usize,
    complete: bool,
    record_line: u64,
}

/// A cell of a record. It starts behind the separator that ends the cell before it.
#[derive(Clone, Copy)]
struct Cell {
    end: usize,
    quoted: bool,
}

/// How the end of the open cell is looked for, and from where on. Positions count from the start of the
/// record.
#[derive(Clone, Copy)]
enum Search {
    /// Nothing of the cell has been seen.
    Begin,
    /// For the quote that closes it. So many line ends were passed.
    Quoted { from: usize, lines: u64 },
    /// For a separator or a line end.
    Plain { from: usize },
}

impl LooseScanner {
    /// A scanner for text that begins on physical line `line` and has no byte order mark.
    pub fn new(delimiter: u8, limits: RecordLimits, line: u64) -> Self {
        Self {
            delimiter,
            limits,
            buffer: Buffer::default(),
            lead: Vec::new(),
            lead_bytes: 0,
            cells: Vec::new(),
            cell_start: 0,
            search: Search::Begin,
            inner_lines: 0,
            length: 0,
            complete: false,
            record_line: line,
        }
    }

    /// Reads on. All of the input is taken over at once; records that are left in it are given by
    /// further calls without input. After [`Scan::Record`] the record is there until the next call.
    pub fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.complete {
            self.lead.clear();
            self.lead_bytes = 0;
            self.pass_record();
        }
        self.buffer.take(input);
        while !(at_end && self.buffer.rest().is_empty()) {
            let Some(length) = self.find_record(at_end)? else { return Ok(Scan::NeedInput) };
            self.length = length;
            if !self.is_blank() {
                self.complete = true;
                return Ok(Scan::Record(input.len()));
            }
            self.push_lead();
            self.pass_record();
        }
        Ok(Scan::End)
    }

    /// The bytes of the record, with its line end.
    pub fn raw(&self) -> &[u8] {
        &self.buffer.rest()[..self.length]
    }

    /// The blank lines before the record; nothing if they are too long to be kept.
    pub fn lead(&self) -> Option<&[u8]> {
        (self.lead.len() as u64 == self.lead_bytes).then_some(&self.lead)
    }

    /// How long the blank lines before the record are, in bytes.
    pub fn lead_bytes(&self) -> u64 {
        self.lead_bytes
    }

    /// The physical line on which the record starts.
    pub fn line(&self) -> u64 {
        self.record_line
    }

    /// The number of values in the record.
    pub fn field_count(&self) -> usize {
        self.cells.len()
    }

    /// The value at a position, with its blanks and, if it is a quoted one, without its quotes.
    pub fn field(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        let cell = *self.cells.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.cells[before].end + 1);
        let bytes = &self.buffer.rest()[start..cell.end];
        Some(if cell.quoted { without_quotes(&bytes[1..bytes.len() - 1]) } else { Cow::Borrowed(bytes) })
    }

    /// A record of one cell that is only blanks is a blank line. Its bytes become part of the lead of
    /// the record that follows.
    fn is_blank(&self) -> bool {
        self.cells.len() == 1 && self.raw().iter().all(u8::is_ascii_whitespace)
    }

    /// Not without bound: a few bytes of gzip can hold gigabytes of blank lines.
    fn push_lead(&mut self) {
        self.lead_bytes += self.length as u64;
        if self.lead_bytes <= LEAD_KEPT {
            self.lead.extend_from_slice(&self.buffer.rest()[..self.length]);
        }
    }

    fn pass_record(&mut self) {
        let has_line_end = self.cells.last().is_some_and(|cell| cell.end < self.length);
        self.record_line += self.inner_lines + u64::from(has_line_end);
        self.buffer.pass(self.length);
        self.cells.clear();
        self.begin_cell(0);
        self.inner_lines = 0;
        self.length = 0;
        self.complete = false;
    }

    fn begin_cell(&mut self, start: usize) {
        self.cell_start = start;
        self.search = Search::Begin;
    }

    /// How long the record is, line end included; nothing if that takes more input.
    fn find_record(&mut self, at_end: bool) -> Result<Option<usize>, RecordError> {
        loop {
            // All of the text that is there belongs to a record whose end is not.
            let Some(cell) = self.find_cell(at_end) else { return self.need_input() };
            let rest = self.buffer.rest();
            let after = match (rest.get(cell.end), rest.get(cell.end + 1)) {
                (None, _) => cell.end,
                // It may be the first half of CRLF.
                (Some(b'\r'), None) if !at_end => return self.need_input(),
                (Some(b'\r'), Some(b'\n')) => cell.end + 2,
                (Some(_), _) => cell.end + 1,
            };
            let goes_on = rest.get(cell.end) == Some(&self.delimiter);
            self.check_size(after)?;
            self.cells.push(cell);
            if let Search::Quoted { lines, .. } = self.search {
                self.inner_lines += lines;
            }
            if !goes_on {
                return Ok(Some(after));
            }
            self.begin_cell(after);
        }
    }

    fn need_input(&self) -> Result<Option<usize>, RecordError> {
        self.check_size(self.buffer.rest().len()).map(|()| None)
    }

    /// The open cell, if its end is there. Its search is left as it was when the end was found.
    fn find_cell(&mut self, at_end: bool) -> Option<Cell> {
        loop {
            let rest = self.buffer.rest();
            match self.search {
                Search::Begin => {
                    let first = rest.get(self.cell_start);
                    if first.is_none() && !at_end {
                        return None;
                    }
                    self.search = match first {
                        Some(b'"') => Search::Quoted { from: self.cell_start + 1, lines: 0 },
                        _ => Search::Plain { from: self.cell_start },
                    };
                }
                Search::Quoted { from, lines } => match self.find_quote(from, lines, at_end) {
                    Quote::Closing { end, lines } => {
                        self.search = Search::Quoted { from: end - 1, lines };
                        return Some(Cell { end, quoted: true });
                    }
                    Quote::Literal => self.search = Search::Plain { from: self.cell_start },
                    Quote::Unknown { from, lines } => {
                        self.search = Search::Quoted { from, lines };
                        return None;
                    }
                },
                Search::Plain { from } => {
                    let found = memchr::memchr3(self.delimiter, b'\r', b'\n', &rest[from..]);
                    let end = found.map_or(rest.len(), |found| from + found);
                    self.search = Search::Plain { from: end };
                    return (found.is_some() || at_end).then_some(Cell { end, quoted: false });
                }
            }
        }
    }

    /// Looks for the quote that closes a cell, within the limits of a record.
    ///
    /// No byte is looked at again and again: a quote that opens a later cell either is closed at once
    /// or ends the search for the quote of an earlier cell.
    fn find_quote(&self, from: usize, mut lines: u64, at_end: bool) -> Quote {
        let rest = self.buffer.rest();
        let within = &rest[..rest.len().min(self.limits.max_bytes)];
        let mut from = from;
        while let Some(found) = memchr::memchr3(b'"', b'\r', b'\n', within.get(from..).unwrap_or_default()) {
            let position = from + found;
            from = position + 1;
            if within[position] == b'"' {
                match rest.get(position + 1) {
                    None if !at_end => return Quote::Unknown { from: position, lines },
                    Some(b'"') => from += 1,
                    next if self.ends_cell(next) => return Quote::Closing { end: position + 1, lines },
                    Some(_) | None => return Quote::Literal,
                }
            } else if within[position] == b'\r' || within[position - 1] != b'\r' {
                // The second half of CRLF is no line of its own.
                lines += 1;
                if self.inner_lines + lines >= self.limits.max_lines {
                    return Quote::Literal;
                }
            }
        }
        if at_end || rest.len() >= self.limits.max_bytes {
            return Quote::Literal;
        }
        Quote::Unknown { from: from.max(rest.len()), lines }
    }

    fn ends_cell(&self, next: Option<&u8>) -> bool {
        next.is_none_or(|byte| *byte == self.delimiter || matches!(byte, b'\r' | b'\n'))
    }

    fn check_size(&self, bytes: usize) -> Result<(), RecordError> {
        let max_bytes = self.limits.max_bytes;
        if bytes <= max_bytes {
            return Ok(());
        }
        Err(RecordError {
            line: self.record_line,
            code: RejectionCode::RecordTooLarge,
            problem: format!("the record is larger than {max_bytes} bytes"),
        })
    }
}

/// What became of the quote that opens a cell.
enum Quote {
    /// The cell is quoted, ends here and has so many line ends.
    Closing { end: usize, lines: u64 },
    /// It is a character like any other.
    Literal,
    /// More input is needed to know. The search goes on from here, with so many line ends.
    Unknown { from: usize, lines: u64 },
}

/// The value between two quotes. Doubled quotes in it stand for one.
fn without_quotes(inner: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'"', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut value = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        value.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    value.extend_from_slice(rest);
    Cow::Owned(value)
}

/// From so many bytes on, text that was passed is removed.
const PASSED_KEPT: usize = 64 * 1024;

/// Text that was fed in and is not passed yet.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    passed: usize,
}

impl Buffer {
    /// Adds text.
    pub(crate) fn take(&mut self, input: &[u8]) {
        // What is moved to the front is never longer than what is removed, so each byte is moved once
        // at most, on average.
        if self.passed == self.bytes.len() {
            self.bytes.clear();
            self.passed = 0;
        } else if self.passed > PASSED_KEPT && self.passed >= self.bytes.len() / 2 {
            self.bytes.drain(..self.passed);
            self.passed = 0;
        }
        self.bytes.extend_from_slice(input);
    }

    /// The text that is not passed yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.passed..]
    }

    /// Passes bytes that are there.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.passed += bytes;
    }
}

#[cfg(test)]
mod tests;
