//! Cuts the Collaborator's CSV into records, with the loose quoting of its real files.
//!
//! A cell is quoted only if it opens with a quote and the matching quote is followed by a separator or a
//! line end; doubled quotes inside stand for one. Otherwise every quote is a character like any other:
//! `"Kievsky" Department`, `5" disk`. So an opening quote that nobody closes swallows nothing.

use std::borrow::Cow;

use crate::record::{RecordError, RecordLimits, Scan};
use crate::rejection::RejectionCode;

/// Blank lines before a record are kept up to so many bytes.
const LEAD_KEPT: usize = 4096;
/// Bytes that are done with are dropped when there are so many.
const COMPACT_BYTES: usize = 64 * 1024;

/// Finds the records in a stream of bytes, fed in pieces of any size, which it takes whole.
pub struct LooseScanner {
    delimiter: u8,
    limits: RecordLimits,
    buffer: Vec<u8>,
    /// The record that was found last; what is before its end is done with.
    start: usize,
    end: usize,
    cells: Vec<Cell>,
    /// Whether the last call found a record; blank lines before one may come in several calls.
    has_record: bool,
    lead: Vec<u8>,
    lead_bytes: u64,
    /// The line behind the record.
    next_line: u64,
    line: u64,
}

#[derive(Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    is_quoted: bool,
}

/// What a look at the buffer came to.
enum Look<T> {
    Found(T),
    NeedInput,
}

impl LooseScanner {
    /// A scanner for text that begins on physical line `line` and has no byte order mark.
    pub fn new(delimiter: u8, limits: RecordLimits, line: u64) -> Self {
        Self {
            delimiter,
            limits,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            cells: Vec::new(),
            has_record: false,
            lead: Vec::new(),
            lead_bytes: 0,
            next_line: line,
            line,
        }
    }

    /// Reads on. After [`Scan::Record`] the record is there until the next call; more of them may be in
    /// what was taken before, so that the next call may have nothing to read.
    pub fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        self.take(input);
        loop {
            if self.end == self.buffer.len() {
                return Ok(if at_end { Scan::End } else { Scan::NeedInput });
            }
            let end = match self.find_record(at_end)? {
                Look::Found(end) => end,
                Look::NeedInput => return Ok(Scan::NeedInput),
            };
            self.start = std::mem::replace(&mut self.end, end);
            self.line = self.next_line;
            self.next_line += line_ends(&self.buffer[self.start..end]);
            if !self.is_blank() {
                self.has_record = true;
                return Ok(Scan::Record(input.len()));
            }
            self.lead_bytes += (end - self.start) as u64;
            if self.lead_bytes <= LEAD_KEPT as u64 {
                self.lead.extend_from_slice(&self.buffer[self.start..end]);
            }
        }
    }

    /// The bytes of the record, with its line end.
    pub fn raw(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
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
        self.line
    }

    /// The number of cells in the record.
    pub fn field_count(&self) -> usize {
        self.cells.len()
    }

    /// The cell at a position, without the quotes around it.
    pub fn field(&self, index: usize) -> Option<Cow<'_, [u8]>> {
        let Cell { start, end, is_quoted } = *self.cells.get(index)?;
        if !is_quoted {
            return Some(Cow::Borrowed(&self.buffer[start..end]));
        }
        let inner = &self.buffer[start + 1..end - 1];
        if memchr::memchr(b'"', inner).is_none() {
            return Some(Cow::Borrowed(inner));
        }
        let mut undoubled = Vec::with_capacity(inner.len());
        let mut rest = inner;
        while let Some(quote) = memchr::memchr(b'"', rest) {
            undoubled.extend_from_slice(&rest[..=quote]);
            rest = &rest[quote + 2..];
        }
        undoubled.extend_from_slice(rest);
        Some(Cow::Owned(undoubled))
    }

    /// Takes input, and lets go of the record before.
    fn take(&mut self, input: &[u8]) {
        if std::mem::take(&mut self.has_record) {
            self.lead.clear();
            self.lead_bytes = 0;
        }
        if self.end > COMPACT_BYTES {
            self.buffer.drain(..self.end);
            self.end = 0;
        }
        self.start = self.end;
        self.buffer.extend_from_slice(input);
    }

    fn is_blank(&self) -> bool {
        self.cells.len() == 1 && self.raw().iter().all(u8::is_ascii_whitespace)
    }

    /// Where the record behind the last one ends. Notes its cells.
    fn find_record(&mut self, at_end: bool) -> Result<Look<usize>, RecordError> {
        let start = self.end;
        self.cells.clear();
        let mut position = start;
        loop {
            let Look::Found(cell) = self.find_cell(start, position, at_end) else { return self.need_input(start) };
            self.cells.push(cell);
            let end = match self.buffer.get(cell.end) {
                None => cell.end,
                Some(byte) if *byte == self.delimiter => {
                    position = cell.end + 1;
                    continue;
                }
                Some(b'\r') if cell.end + 1 == self.buffer.len() && !at_end => return self.need_input(start),
                Some(b'\r') if self.buffer.get(cell.end + 1) == Some(&b'\n') => cell.end + 2,
                Some(_) => cell.end + 1,
            };
            self.check_size(end - start)?;
            return Ok(Look::Found(end));
        }
    }

    fn need_input(&self, start: usize) -> Result<Look<usize>, RecordError> {
        self.check_size(self.buffer.len() - start)?;
        Ok(Look::NeedInput)
    }

    fn check_size(&self, bytes: usize) -> Result<(), RecordError> {
        let max = self.limits.max_bytes;
        if bytes <= max {
            return Ok(());
        }
        let problem = format!("the record is larger than {max} bytes");
        Err(RecordError { line: self.next_line, code: RejectionCode::RecordTooLarge, problem })
    }

    /// The cell that begins at `position` of the record that begins at `start`.
    fn find_cell(&self, start: usize, position: usize, at_end: bool) -> Look<Cell> {
        if self.buffer.get(position) == Some(&b'"') {
            match self.closing_quote(start, position, at_end) {
                Look::NeedInput => return Look::NeedInput,
                Look::Found(Some(quote)) => {
                    return Look::Found(Cell { start: position, end: quote + 1, is_quoted: true });
                }
                Look::Found(None) => {}
            }
        }
        let rest = &self.buffer[position.min(self.buffer.len())..];
        match memchr::memchr3(self.delimiter, b'\r', b'\n', rest) {
            Some(length) => Look::Found(Cell { start: position, end: position + length, is_quoted: false }),
            None if at_end => Look::Found(Cell { start: position, end: self.buffer.len(), is_quoted: false }),
            None => Look::NeedInput,
        }
    }

    /// Where the quote that matches the one at `position` is. None if the quotes of the cell are literal.
    fn closing_quote(&self, start: usize, position: usize, at_end: bool) -> Look<Option<usize>> {
        let limit = (start + self.limits.max_bytes).min(self.buffer.len());
        let mut from = position + 1;
        while let Some(quote) = memchr::memchr(b'"', self.buffer.get(from..limit).unwrap_or_default()) {
            let quote = from + quote;
            if line_ends(&self.buffer[position..quote]) > self.limits.max_lines {
                return Look::Found(None);
            }
            match self.buffer.get(quote + 1) {
                Some(b'"') => from = quote + 2,
                None if !at_end => return Look::NeedInput,
                None | Some(b'\r' | b'\n') => return Look::Found(Some(quote)),
                Some(byte) if *byte == self.delimiter => return Look::Found(Some(quote)),
                Some(_) => return Look::Found(None),
            }
        }
        let is_decided = at_end
            || limit < self.buffer.len()
            || line_ends(&self.buffer[position..limit]) > self.limits.max_lines.saturating_add(1);
        if is_decided { Look::Found(None) } else { Look::NeedInput }
    }
}

/// How many line ends there are; CRLF is one.
fn line_ends(bytes: &[u8]) -> u64 {
    let ends = memchr::memchr2_iter(b'\r', b'\n', bytes);
    ends.filter(|end| bytes[*end] == b'\r' || *end == 0 || bytes[*end - 1] != b'\r').count() as u64
}

#[cfg(test)]
mod tests;
