//! Finds the records of CSV text that follows RFC 4180, and counts physical lines.
//!
//! The grammar is that of csv-core: quoted line ends, CRLF, LF and a lone CR, an optional final line end.
//! This module adds what csv-core lacks: a limit on the size and the lines of a record, so that an unclosed
//! quote cannot swallow the rest of a file, and the line on which each record starts.

use std::ops::Range;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::rejection::RejectionCode;
use crate::scanner::{Lead, RecordError, RecordLimits, Scan, Scanner};

/// Finds the records of CSV text.
pub struct StrictCsvScanner {
    core: Reader,
    delimiter: u8,
    limits: RecordLimits,
    lead: Lead,
    record: Vec<u8>,
    /// The values of the record, without quotes and separators.
    values: Vec<u8>,
    values_len: usize,
    /// Where each value ends in `values`.
    ends: Vec<usize>,
    ends_len: usize,
    is_complete: bool,
    current_line: u64,
    record_line: u64,
    last_was_cr: bool,
    /// Whether only line ends were read since the last record.
    at_start: bool,
}

impl StrictCsvScanner {
    /// Creates a scanner for text that starts on physical line `line` and has no byte order mark.
    pub fn new(delimiter: u8, limits: RecordLimits, line: u64) -> Self {
        let mut core = ReaderBuilder::new().delimiter(delimiter).build();
        // csv-core drops a byte order mark at the start of its input. A batch starts in the middle of a file, where
        // these bytes are data. Reading a blank line first makes csv-core leave its start state.
        core.read_record(b"\n", &mut [0; 4], &mut [0; 4]);
        Self {
            core,
            delimiter,
            limits,
            lead: Lead::default(),
            record: Vec::new(),
            values: vec![0; 1024],
            values_len: 0,
            ends: vec![0; 64],
            ends_len: 0,
            is_complete: false,
            current_line: line,
            record_line: line,
            last_was_cr: false,
            at_start: true,
        }
    }

    /// The number of values in the record.
    pub fn field_count(&self) -> usize {
        self.ends_len
    }

    /// The value at a position, without its quotes.
    pub fn field(&self, index: usize) -> Option<&[u8]> {
        Some(&self.values[self.field_range(index)?])
    }

    /// All values, concatenated without quotes and separators.
    pub fn fields(&self) -> &[u8] {
        &self.values[..self.values_len]
    }

    /// The range of a value in [`fields`](Self::fields).
    pub fn field_range(&self, index: usize) -> Option<Range<usize>> {
        let end = *self.ends[..self.ends_len].get(index)?;
        let start = index.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        Some(start..end)
    }

    /// Whether the quotes of the record follow RFC 4180. csv-core accepts them anywhere.
    pub fn quotes(&self) -> Quotes {
        check_quotes(&self.record, self.delimiter)
    }

    fn clear_record(&mut self) {
        self.record.clear();
        self.values_len = 0;
        self.ends_len = 0;
        self.is_complete = false;
        self.at_start = true;
    }

    /// Whether the record is a blank line: a single value of white space without quotes.
    fn is_blank(&self) -> bool {
        self.ends_len == 1 && self.fields().iter().all(u8::is_ascii_whitespace) && !self.has_quote()
    }

    fn has_quote(&self) -> bool {
        memchr::memchr(b'"', &self.record).is_some()
    }

    /// Adds the blank record to the lead of the record that follows.
    fn move_to_lead(&mut self) {
        self.lead.push(&self.record);
        self.clear_record();
    }

    /// Records the bytes that csv-core consumed and counts the physical lines in them.
    fn consume(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if self.at_start {
            let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            self.count_lines(&rest[..blank]);
            self.lead.push(&rest[..blank]);
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
        Err(self.limit_error())
    }

    /// The error of a record that exceeds a limit. Only the part up to the limit that is exceeded first decides
    /// which error it is, so that the result does not depend on the pieces in which the record was fed.
    fn limit_error(&self) -> RecordError {
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
            Quotes::Unclosed => self.unclosed_quote(),
            Quotes::WellFormed | Quotes::Misplaced => RecordError { line: self.record_line, code, problem },
        }
    }

    fn check_last_quote_closed(&self) -> Result<(), RecordError> {
        if self.quotes() == Quotes::Unclosed { Err(self.unclosed_quote()) } else { Ok(()) }
    }

    fn unclosed_quote(&self) -> RecordError {
        RecordError {
            line: self.record_line,
            code: RejectionCode::QuoteUnclosed,
            problem: "a quoted value has no closing quote".to_owned(),
        }
    }
}

impl Scanner for StrictCsvScanner {
    fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.is_complete {
            self.lead.clear();
            self.clear_record();
        }
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            if rest.is_empty() && !at_end {
                return Ok(Scan::NeedInput);
            }
            let (result, read, written, ended) =
                self.core.read_record(rest, &mut self.values[self.values_len..], &mut self.ends[self.ends_len..]);
            self.values_len += written;
            self.ends_len += ended;
            self.consume(&rest[..read]);
            consumed += read;
            match result {
                ReadRecordResult::InputEmpty => {
                    self.check_size()?;
                    if !at_end {
                        return Ok(Scan::NeedInput);
                    }
                }
                ReadRecordResult::OutputFull => self.values.resize(self.values.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    self.check_size()?;
                    self.is_complete = true;
                    if consumed == input.len() && at_end {
                        self.check_last_quote_closed()?;
                    }
                    if !self.is_blank() {
                        return Ok(Scan::Record(consumed));
                    }
                    self.move_to_lead();
                }
                ReadRecordResult::End => return Ok(Scan::End),
            }
        }
    }

    fn raw(&self) -> &[u8] {
        &self.record
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

/// Where line `lines + 1` of a record ends, counted from 1.
fn line_end(record: &[u8], lines: u64) -> Option<usize> {
    let ends = memchr::memchr2_iter(b'\r', b'\n', record);
    // The LF of a CRLF does not end another line.
    let mut ends = ends.filter(|end| record[*end] == b'\r' || *end == 0 || record[*end - 1] != b'\r');
    Some(ends.nth(usize::try_from(lines).ok()?)? + 1)
}

/// Whether the quotes of a record follow RFC 4180.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// They do.
    WellFormed,
    /// An unquoted value contains a quote, or text follows a closing quote.
    Misplaced,
    /// The last quoted value has no closing quote.
    Unclosed,
}

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
            let ends_value = record.get(position).is_none_or(|b| *b == delimiter || matches!(b, b'\r' | b'\n'));
            if !ends_value {
                result = Quotes::Misplaced;
            }
        } else if byte == b'"' {
            result = Quotes::Misplaced;
        }
        at_value_start = byte == delimiter;
    }
    result
}

/// The position of the closing quote of the value that starts at `position`. A doubled quote does not close it.
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
