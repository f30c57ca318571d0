//! Finds the records of Collaborator CSV: cells separated by semicolons, quoted or not.
//!
//! Such files are written by hand and by tools that never quote, so a quote is usually an ordinary character:
//! `"Kievsky" Department` and `5" disk` are literal values. Only a cell that is quoted from its first to its
//! last byte is read by RFC 4180. A quote therefore never makes a file unreadable. To decide how a cell that
//! starts with a quote ends, the scanner has to read ahead, so it buffers its input.

use std::borrow::Cow;

use super::buffer::Buffer;
use crate::rejection::RejectionCode;
use crate::scanner::{Lead, RecordError, RecordLimits, Scan, Scanner};

/// Finds the records of Collaborator CSV.
///
/// A scan consumes all of its input at once. Further records in it are returned by scans of an empty input.
pub struct LooseCsvScanner {
    delimiter: u8,
    limits: RecordLimits,
    buffer: Buffer,
    lead: Lead,
    cells: Vec<Cell>,
    cell_start: usize,
    search: Search,
    /// The number of line ends inside the cells found so far.
    inner_lines: u64,
    /// The length of the record, once its end was found.
    length: usize,
    is_complete: bool,
    record_line: u64,
}

/// A cell of a record. It starts after the separator that ends the previous cell.
#[derive(Clone, Copy)]
struct Cell {
    end: usize,
    quoted: bool,
}

/// What to search for to find the end of the open cell, and where to continue. Positions count from the start of
/// the record.
#[derive(Clone, Copy)]
enum Search {
    /// The first byte of the cell.
    FirstByte,
    /// The closing quote. `lines` is the number of line ends since the opening quote.
    ClosingQuote { from: usize, lines: u64 },
    /// A separator or a line end.
    Separator { from: usize },
}

impl LooseCsvScanner {
    /// Creates a scanner for text that starts on physical line `line` and has no byte order mark.
    pub fn new(delimiter: u8, limits: RecordLimits, line: u64) -> Self {
        Self {
            delimiter,
            limits,
            buffer: Buffer::default(),
            lead: Lead::default(),
            cells: Vec::new(),
            cell_start: 0,
            search: Search::FirstByte,
            inner_lines: 0,
            length: 0,
            is_complete: false,
            record_line: line,
        }
    }

    /// The number of values in the record.
    pub fn field_count(&self) -> usize {
        self.cells.len()
    }

    /// The value at a position, with its white space and, if the cell is quoted, without its quotes.
    pub fn field(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        let cell = *self.cells.get(index)?;
        let start = index.checked_sub(1).map_or(0, |previous| self.cells[previous].end + 1);
        let bytes = &self.buffer.rest()[start..cell.end];
        Some(if cell.quoted { unescape_quotes(&bytes[1..bytes.len() - 1]) } else { Cow::Borrowed(bytes) })
    }

    /// Whether the record is a blank line: a single cell of white space.
    fn is_blank(&self) -> bool {
        self.cells.len() == 1 && self.raw().iter().all(u8::is_ascii_whitespace)
    }

    /// Adds the blank record to the lead of the record that follows.
    fn move_to_lead(&mut self) {
        self.lead.push(&self.buffer.rest()[..self.length]);
        self.consume_record();
    }

    fn consume_record(&mut self) {
        let has_line_end = self.cells.last().is_some_and(|cell| cell.end < self.length);
        self.record_line += self.inner_lines + u64::from(has_line_end);
        self.buffer.consume(self.length);
        self.cells.clear();
        self.open_cell(0);
        self.inner_lines = 0;
        self.length = 0;
        self.is_complete = false;
    }

    fn open_cell(&mut self, start: usize) {
        self.cell_start = start;
        self.search = Search::FirstByte;
    }

    /// The length of the record, line end included; `None` if more input is needed to find its end.
    fn find_record(&mut self, at_end: bool) -> Result<Option<usize>, RecordError> {
        loop {
            // Without the end of the cell, all of the buffered text belongs to the record.
            let Some(cell) = self.find_cell(at_end) else { return self.need_input() };
            let rest = self.buffer.rest();
            let after = match (rest.get(cell.end), rest.get(cell.end + 1)) {
                (None, _) => cell.end,
                // It may be the CR of a CRLF.
                (Some(b'\r'), None) if !at_end => return self.need_input(),
                (Some(b'\r'), Some(b'\n')) => cell.end + 2,
                (Some(_), _) => cell.end + 1,
            };
            let another_cell_follows = rest.get(cell.end) == Some(&self.delimiter);
            self.check_size(after)?;
            self.cells.push(cell);
            if let Search::ClosingQuote { lines, .. } = self.search {
                self.inner_lines += lines;
            }
            if !another_cell_follows {
                return Ok(Some(after));
            }
            self.open_cell(after);
        }
    }

    fn need_input(&self) -> Result<Option<usize>, RecordError> {
        self.check_size(self.buffer.rest().len()).map(|()| None)
    }

    /// The open cell, if its end is in the buffer. `search` keeps the state in which the end was found.
    fn find_cell(&mut self, at_end: bool) -> Option<Cell> {
        loop {
            let rest = self.buffer.rest();
            match self.search {
                Search::FirstByte => {
                    let first = rest.get(self.cell_start);
                    if first.is_none() && !at_end {
                        return None;
                    }
                    self.search = match first {
                        Some(b'"') => Search::ClosingQuote { from: self.cell_start + 1, lines: 0 },
                        _ => Search::Separator { from: self.cell_start },
                    };
                }
                Search::ClosingQuote { from, lines } => match self.find_closing_quote(from, lines, at_end) {
                    OpeningQuote::Closed { end, lines } => {
                        self.search = Search::ClosingQuote { from: end - 1, lines };
                        return Some(Cell { end, quoted: true });
                    }
                    OpeningQuote::Literal => self.search = Search::Separator { from: self.cell_start },
                    OpeningQuote::Undecided { from, lines } => {
                        self.search = Search::ClosingQuote { from, lines };
                        return None;
                    }
                },
                Search::Separator { from } => {
                    let found = memchr::memchr3(self.delimiter, b'\r', b'\n', &rest[from..]);
                    let end = found.map_or(rest.len(), |found| from + found);
                    self.search = Search::Separator { from: end };
                    return (found.is_some() || at_end).then_some(Cell { end, quoted: false });
                }
            }
        }
    }

    /// Searches for the quote that closes the open cell, within the limits of a record.
    ///
    /// The total work is linear: a quote that opens a later cell either is closed at once or ends the search for
    /// the closing quote of an earlier cell.
    fn find_closing_quote(&self, from: usize, mut lines: u64, at_end: bool) -> OpeningQuote {
        let rest = self.buffer.rest();
        let within = &rest[..rest.len().min(self.limits.max_bytes)];
        let mut from = from;
        while let Some(found) = memchr::memchr3(b'"', b'\r', b'\n', within.get(from..).unwrap_or_default()) {
            let position = from + found;
            from = position + 1;
            if within[position] == b'"' {
                match rest.get(position + 1) {
                    None if !at_end => return OpeningQuote::Undecided { from: position, lines },
                    Some(b'"') => from += 1,
                    next if self.ends_cell(next) => return OpeningQuote::Closed { end: position + 1, lines },
                    Some(_) | None => return OpeningQuote::Literal,
                }
            } else if within[position] == b'\r' || within[position - 1] != b'\r' {
                // The LF of a CRLF does not end another line.
                lines += 1;
                if self.inner_lines + lines >= self.limits.max_lines {
                    return OpeningQuote::Literal;
                }
            }
        }
        if at_end || rest.len() >= self.limits.max_bytes {
            return OpeningQuote::Literal;
        }
        OpeningQuote::Undecided { from: from.max(rest.len()), lines }
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

impl Scanner for LooseCsvScanner {
    fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.is_complete {
            self.lead.clear();
            self.consume_record();
        }
        self.buffer.append(input);
        while !(at_end && self.buffer.rest().is_empty()) {
            let Some(length) = self.find_record(at_end)? else { return Ok(Scan::NeedInput) };
            self.length = length;
            if !self.is_blank() {
                self.is_complete = true;
                return Ok(Scan::Record(input.len()));
            }
            self.move_to_lead();
        }
        Ok(Scan::End)
    }

    fn raw(&self) -> &[u8] {
        &self.buffer.rest()[..self.length]
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

/// The role of a quote at the start of a cell.
enum OpeningQuote {
    /// It opens a quoted cell, which ends at `end` and contains `lines` line ends.
    Closed { end: usize, lines: u64 },
    /// It is an ordinary character.
    Literal,
    /// More input is needed. The search continues at `from`, with `lines` line ends counted.
    Undecided { from: usize, lines: u64 },
}

/// The value of a quoted cell, given the bytes between its quotes: each doubled quote becomes one.
fn unescape_quotes(inner: &[u8]) -> Cow<'_, [u8]> {
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

#[cfg(test)]
mod tests;
