//! Cuts CSV text into records, exactly where a CSV parser ends them, and counts physical lines.
//!
//! The grammar is csv-core's: quoted line ends, CRLF, LF and a lone CR, a missing final line end.
//! What csv-core lacks is added here: a limit on the size and the lines of a record, so that an
//! unclosed quote cannot swallow the rest of a file, and the line on which each record starts.

use std::ops::Range;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde::{Deserialize, Serialize};

use crate::rejection::{Rejection, RejectionCode};

/// Limits on one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordLimits {
    /// Bytes of one record, line ends included.
    pub max_bytes: usize,
    /// Physical lines of one record.
    pub max_lines: u64,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self { max_bytes: 256 * 1024, max_lines: 1000 }
    }
}

/// A record past which a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct RecordError {
    /// The line on which the record starts.
    pub line: u64,
    /// The stable code.
    pub code: RejectionCode,
    /// What is wrong.
    pub problem: String,
}

impl From<RecordError> for Rejection {
    fn from(error: RecordError) -> Self {
        Self::new(error.line, None, error.code, error.problem)
    }
}

/// Blank lines before a record are kept up to so many bytes.
const LEAD_KEPT: u64 = 4096;

/// What a scan of some input came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Scan {
    /// All of the input belongs to a record that goes on.
    NeedInput,
    /// A record ends after so many bytes of the input.
    Record(usize),
    /// The text is at its end.
    End,
}

/// Finds the records in a stream of bytes, fed in pieces of any size.
pub struct RecordScanner {
    core: Reader,
    delimiter: u8,
    limits: RecordLimits,
    lead: Vec<u8>,
    lead_bytes: u64,
    record: Vec<u8>,
    fields: Vec<u8>,
    fields_len: usize,
    ends: Vec<usize>,
    ends_len: usize,
    complete: bool,
    current_line: u64,
    record_line: u64,
    last_was_cr: bool,
    at_start: bool,
}

impl RecordScanner {
    /// A scanner for text that begins on physical line `line` and has no byte order mark.
    pub fn new(delimiter: u8, limits: RecordLimits, line: u64) -> Self {
        let mut core = ReaderBuilder::new().delimiter(delimiter).build();
        // csv-core drops a byte order mark at the start of its input. A batch begins in the middle
        // of a file, where these bytes are data: reading a blank line first ends "the start".
        core.read_record(b"\n", &mut [0; 4], &mut [0; 4]);
        Self {
            core,
            delimiter,
            limits,
            lead: Vec::new(),
            lead_bytes: 0,
            record: Vec::new(),
            fields: vec![0; 1024],
            fields_len: 0,
            ends: vec![0; 64],
            ends_len: 0,
            complete: false,
            current_line: line,
            record_line: line,
            last_was_cr: false,
            at_start: true,
        }
    }

    /// Reads on. After [`Scan::Record`] the record is there until the next call.
    pub fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.complete {
            self.start_record();
        }
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            if rest.is_empty() && !at_end {
                return Ok(Scan::NeedInput);
            }
            let (result, read, written, ended) =
                self.core.read_record(rest, &mut self.fields[self.fields_len..], &mut self.ends[self.ends_len..]);
            self.fields_len += written;
            self.ends_len += ended;
            self.take(&rest[..read]);
            consumed += read;
            match result {
                ReadRecordResult::InputEmpty => {
                    self.check_size()?;
                    if !at_end {
                        return Ok(Scan::NeedInput);
                    }
                }
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    self.check_size()?;
                    self.complete = true;
                    if consumed == input.len() && at_end {
                        self.check_closed()?;
                    }
                    if !self.is_blank() {
                        return Ok(Scan::Record(consumed));
                    }
                    self.forget_blank();
                }
                ReadRecordResult::End => return Ok(Scan::End),
            }
        }
    }

    /// The bytes of the record, with its line end.
    pub fn raw(&self) -> &[u8] {
        &self.record
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
        self.ends_len
    }

    /// The value at a position, without its quotes.
    pub fn field(&self, index: usize) -> Option<&[u8]> {
        Some(&self.fields[self.place(index)?])
    }

    /// All values one behind the other, without quotes and separators.
    pub fn fields(&self) -> &[u8] {
        &self.fields[..self.fields_len]
    }

    /// Where in [`fields`](Self::fields) a value stands.
    pub fn place(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends[..self.ends_len].get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(start..end)
    }

    /// Whether quotes stand where the CSV grammar (RFC 4180) allows them. csv-core accepts any.
    pub fn quotes(&self) -> Quotes {
        check_quotes(&self.record, self.delimiter)
    }

    fn start_record(&mut self) {
        self.lead.clear();
        self.lead_bytes = 0;
        self.forget_record();
    }

    fn forget_record(&mut self) {
        self.record.clear();
        self.fields_len = 0;
        self.ends_len = 0;
        self.complete = false;
        self.at_start = true;
    }

    /// A record of one value that is only blanks is a blank line. Its bytes become part of the lead
    /// of the record that follows.
    fn is_blank(&self) -> bool {
        self.ends_len == 1 && self.fields[..self.fields_len].iter().all(u8::is_ascii_whitespace) && !self.has_quote()
    }

    fn has_quote(&self) -> bool {
        memchr::memchr(b'"', &self.record).is_some()
    }

    fn forget_blank(&mut self) {
        let blank = std::mem::take(&mut self.record);
        self.push_lead(&blank);
        self.forget_record();
    }

    /// Blank lines are kept so that whoever reads a batch counts the same lines, but not without
    /// bound: a few bytes of gzip can hold gigabytes of them.
    fn push_lead(&mut self, blank: &[u8]) {
        self.lead_bytes += blank.len() as u64;
        if self.lead_bytes <= LEAD_KEPT {
            self.lead.extend_from_slice(blank);
        }
    }

    /// Notes consumed bytes and counts the physical lines in them.
    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.at_start {
            let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.count_lines(&rest[..blank]);
            self.push_lead(&rest[..blank]);
            rest = &rest[blank..];
            self.record_line = self.current_line;
            self.at_start = rest.is_empty();
        }
        self.count_lines(rest);
        self.record.extend_from_slice(rest);
    }

    fn count_lines(&mut self, bytes: &[u8]) {
        let mut previous_cr = self.last_was_cr.then_some(0);
        for position in memchr::memchr2_iter(b'\r', b'\n', bytes) {
            if bytes[position] == b'\r' {
                self.current_line += 1;
                previous_cr = Some(position + 1);
            } else {
                if previous_cr != Some(position) {
                    self.current_line += 1;
                }
                previous_cr = None;
            }
        }
        if let Some(last) = bytes.last() {
            self.last_was_cr = *last == b'\r';
        }
    }

    fn check_size(&self) -> Result<(), RecordError> {
        let lines = self.current_line - self.record_line;
        if self.record.len() <= self.limits.max_bytes && lines <= self.limits.max_lines {
            return Ok(());
        }
        Err(self.over_a_limit())
    }

    /// Judges a record by its part up to the limit that it passes first, so that the pieces in which
    /// it came do not matter.
    fn over_a_limit(&self) -> RecordError {
        let RecordLimits { max_bytes, max_lines } = self.limits;
        let last_line = line_end(&self.record, max_lines).filter(|end| *end <= max_bytes);
        let (end, code, problem) = match last_line {
            Some(end) => {
                (end, RejectionCode::RecordTooManyLines, format!("the record has more than {max_lines} lines"))
            }
            None => {
                (max_bytes + 1, RejectionCode::RecordTooLarge, format!("the record is larger than {max_bytes} bytes"))
            }
        };
        match check_quotes(self.record.get(..end).unwrap_or(&self.record), self.delimiter) {
            Quotes::Unclosed => self.unclosed(),
            Quotes::WellFormed | Quotes::Misplaced => RecordError { line: self.record_line, code, problem },
        }
    }

    fn check_closed(&self) -> Result<(), RecordError> {
        if self.quotes() == Quotes::Unclosed { Err(self.unclosed()) } else { Ok(()) }
    }

    fn unclosed(&self) -> RecordError {
        RecordError {
            line: self.record_line,
            code: RejectionCode::QuoteUnclosed,
            problem: "a value that begins with a quote does not end with one".to_owned(),
        }
    }
}

/// Where the line behind the first `lines` lines of a record ends.
fn line_end(record: &[u8], lines: u64) -> Option<usize> {
    let ends = memchr::memchr2_iter(b'\r', b'\n', record);
    // The second half of CRLF is no line of its own.
    let mut ends = ends.filter(|end| record[*end] == b'\r' || *end == 0 || record[*end - 1] != b'\r');
    Some(ends.nth(usize::try_from(lines).ok()?)? + 1)
}

/// How the quotes of a record stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// As RFC 4180 has it.
    WellFormed,
    /// A quote inside an unquoted value, or text after a closing quote.
    Misplaced,
    /// The last quoted value does not end.
    Unclosed,
}

/// Checks the quotes of one raw record.
fn check_quotes(record: &[u8], delimiter: u8) -> Quotes {
    if memchr::memchr(b'"', record).is_none() {
        return Quotes::WellFormed;
    }
    let mut result = Quotes::WellFormed;
    let mut at_value_start = true;
    let mut position = 0;
    while let Some(&byte) = record.get(position) {
        position += 1;
        if byte == b'"' && at_value_start {
            let Some(end) = closing_quote(record, position) else { return Quotes::Unclosed };
            position = end + 1;
            let followed_well = record.get(position).is_none_or(|b| *b == delimiter || matches!(b, b'\r' | b'\n'));
            if !followed_well {
                result = Quotes::Misplaced;
            }
        } else if byte == b'"' {
            result = Quotes::Misplaced;
        }
        at_value_start = byte == delimiter;
    }
    result
}

/// Where the quoted value that starts at `position` is closed; doubled quotes stand for one.
fn closing_quote(record: &[u8], mut position: usize) -> Option<usize> {
    loop {
        let quote = position + memchr::memchr(b'"', &record[position..])?;
        if record.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        position = quote + 2;
    }
}

#[cfg(test)]
mod tests;
