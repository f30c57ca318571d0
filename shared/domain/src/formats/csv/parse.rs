//! Parses one record: a pure function of the text that starts with it.

use super::cells::Cell;
use super::lines::{LineProblem, line_end};
use super::{CsvSyntax, QuoteStyle};

/// The result of parsing the start of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The end of the record, or what decides whether it is one, has not arrived.
    NeedInput,
    /// A record.
    Record {
        /// Its size, line end included.
        bytes: usize,
        /// The number of its physical lines.
        lines: u64,
    },
    /// The first line is not, and does not start, a record.
    Broken(LineProblem),
}

/// Parses the record that the text starts with, and stores where its values are.
pub(super) fn parse_record(text: &[u8], at_end: bool, syntax: &CsvSyntax, cells: &mut Vec<Cell>) -> Parsed {
    cells.clear();
    let max_bytes = syntax.limits.max_bytes;
    // Text after the limit decides nothing, so that the result does not depend on how much of it has arrived.
    let is_cut = text.len() > max_bytes;
    let (text, at_end) = if is_cut { (&text[..=max_bytes], false) } else { (text, at_end) };
    let parsed = match parse_plain_line(text, at_end, syntax, cells) {
        Some(parsed) => parsed,
        None => Parser { text, at_end, is_cut, syntax, cells, lines: 1 }.parse(),
    };
    match parsed {
        Parsed::Record { bytes, .. } if bytes > max_bytes => Parsed::Broken(LineProblem::TooLarge),
        Parsed::NeedInput if is_cut => Parsed::Broken(LineProblem::TooLarge),
        Parsed::Record { lines, .. } if lines > 1 && !has_right_count(text, syntax, cells) => {
            Parsed::Broken(LineProblem::ValueCount)
        }
        parsed => parsed,
    }
}

/// Parses a line without quotes; `None` if it has one.
fn parse_plain_line(text: &[u8], at_end: bool, syntax: &CsvSyntax, cells: &mut Vec<Cell>) -> Option<Parsed> {
    let end = match memchr::memchr3(b'\r', b'\n', b'"', text) {
        Some(position) if text[position] == b'"' => return None,
        Some(position) => position,
        None if at_end => text.len(),
        None => return Some(Parsed::NeedInput),
    };
    let bytes = if end == text.len() {
        end
    } else {
        let Some(bytes) = line_end(text, end, at_end) else { return Some(Parsed::NeedInput) };
        bytes
    };
    let mut start = 0;
    for delimiter in memchr::memchr_iter(syntax.delimiter, &text[..end]) {
        cells.push(Cell { start, end: delimiter, has_doubled_quotes: false });
        start = delimiter + 1;
    }
    cells.push(Cell { start, end, has_doubled_quotes: false });
    Some(Parsed::Record { bytes, lines: 1 })
}

/// Whether a record of several lines has as many values as it should, apart from empty ones at its end.
fn has_right_count(text: &[u8], syntax: &CsvSyntax, cells: &[Cell]) -> bool {
    let (min, max) = syntax.values;
    let is_empty = |cell: &&Cell| text[cell.start..cell.end].trim_ascii().is_empty();
    let surplus = cells.iter().skip(max).rev().take_while(is_empty).count();
    (min..=max).contains(&(cells.len() - surplus))
}

struct Parser<'a> {
    text: &'a [u8],
    at_end: bool,
    /// Whether the text is cut at the limit of a record.
    is_cut: bool,
    syntax: &'a CsvSyntax,
    cells: &'a mut Vec<Cell>,
    /// The number of physical lines so far.
    lines: u64,
}

/// Where a value ends.
enum ValueEnd {
    /// Before the byte at this position, which is a separator, the start of a line end, or the end of the text.
    Before(usize),
    NeedInput,
    Broken(LineProblem),
}

impl Parser<'_> {
    fn parse(mut self) -> Parsed {
        let mut position = 0;
        loop {
            let end = match self.parse_value(position) {
                ValueEnd::Before(end) => end,
                ValueEnd::NeedInput => return Parsed::NeedInput,
                ValueEnd::Broken(problem) => return Parsed::Broken(problem),
            };
            match self.text.get(end) {
                None => return Parsed::Record { bytes: end, lines: self.lines },
                Some(byte) if *byte == self.syntax.delimiter => position = end + 1,
                Some(_) => {
                    let Some(bytes) = line_end(self.text, end, self.at_end) else { return Parsed::NeedInput };
                    return Parsed::Record { bytes, lines: self.lines };
                }
            }
        }
    }

    fn parse_value(&mut self, start: usize) -> ValueEnd {
        let first = self.skip_blanks(start);
        match self.text.get(first) {
            None if !self.at_end => ValueEnd::NeedInput,
            Some(b'"') => match self.find_closing_quote(first + 1) {
                Quoted::Closed { quote, end, has_doubled_quotes, lines, has_row } => {
                    if has_row {
                        return ValueEnd::Broken(LineProblem::RowInQuotes);
                    }
                    self.lines += lines;
                    self.cells.push(Cell { start: first + 1, end: quote, has_doubled_quotes });
                    ValueEnd::Before(end)
                }
                Quoted::NeedInput => ValueEnd::NeedInput,
                Quoted::Not(problem) => match self.syntax.quotes {
                    QuoteStyle::Strict => ValueEnd::Broken(problem),
                    QuoteStyle::Loose => self.parse_unquoted(start),
                },
            },
            _ => self.parse_unquoted(start),
        }
    }

    fn skip_blanks(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t') && **byte != self.syntax.delimiter).count()
    }

    fn parse_unquoted(&mut self, start: usize) -> ValueEnd {
        let rest = &self.text[start..];
        let end = match memchr::memchr3(self.syntax.delimiter, b'\r', b'\n', rest) {
            Some(length) => start + length,
            None if self.at_end => self.text.len(),
            None => return ValueEnd::NeedInput,
        };
        let value = &self.text[start..end];
        let has_quote = memchr::memchr(b'"', value).is_some();
        if has_quote && self.syntax.quotes == QuoteStyle::Strict && !is_formula_text(value) {
            return ValueEnd::Broken(LineProblem::QuoteMisplaced);
        }
        self.cells.push(Cell { start, end, has_doubled_quotes: false });
        ValueEnd::Before(end)
    }

    /// Searches for the quote that closes the value which starts at `start`, within the limits of a record.
    fn find_closing_quote(&self, start: usize) -> Quoted {
        let within = self.text;
        let (mut lines, mut has_doubled_quotes, mut has_row) = (0, false, false);
        let mut position = start;
        // Where the line starts that the search is on; `None` on the line of the opening quote.
        let mut line_start = None;
        loop {
            let Some(found) = memchr::memchr3(b'"', b'\r', b'\n', within.get(position..).unwrap_or_default()) else {
                let needs_input = !self.at_end && !self.is_cut;
                return if needs_input { Quoted::NeedInput } else { Quoted::Not(LineProblem::QuoteUnclosed) };
            };
            let found = position + found;
            if within[found] == b'"' && self.text.get(found + 1) == Some(&b'"') {
                has_doubled_quotes = true;
                position = found + 2;
                continue;
            }
            has_row |= line_start.is_some_and(|start| self.is_row(&within[start..found]));
            if within[found] == b'"' {
                return self.close(found, has_doubled_quotes, lines, has_row);
            }
            // A strict quote is misplaced whatever follows. A loose one is an ordinary character if it is never closed.
            if has_row && self.syntax.quotes == QuoteStyle::Strict {
                return Quoted::Not(LineProblem::RowInQuotes);
            }
            let Some(end) = line_end(self.text, found, self.at_end) else { return Quoted::NeedInput };
            lines += 1;
            if self.lines + lines > self.syntax.limits.max_lines {
                return Quoted::Not(LineProblem::QuoteUnclosed);
            }
            line_start = Some(end);
            position = end;
        }
    }

    /// What an undoubled quote at `quote` inside a quoted value is.
    fn close(&self, quote: usize, has_doubled_quotes: bool, lines: u64, has_row: bool) -> Quoted {
        if quote + 1 == self.text.len() && !self.at_end {
            return Quoted::NeedInput;
        }
        let end = self.skip_blanks(quote + 1);
        match self.text.get(end) {
            None if !self.at_end => Quoted::NeedInput,
            Some(byte) if *byte != self.syntax.delimiter && !matches!(byte, b'\r' | b'\n') => {
                Quoted::Not(if lines == 0 { LineProblem::QuoteMisplaced } else { LineProblem::QuoteUnclosed })
            }
            _ => Quoted::Closed { quote, end, has_doubled_quotes, lines, has_row },
        }
    }

    /// Whether a line inside a quoted value is a row.
    fn is_row(&self, line: &[u8]) -> bool {
        memchr::memchr_iter(self.syntax.delimiter, line).take(self.syntax.row_values).count() + 1
            >= self.syntax.row_values
    }
}

/// What a quote at the start of a value opens.
enum Quoted {
    /// A value that ends at the position `quote`; its separator or line end is at the position `end`. It contains
    /// `lines` line ends.
    Closed {
        quote: usize,
        end: usize,
        has_doubled_quotes: bool,
        lines: u64,
        has_row: bool,
    },
    NeedInput,
    /// No value.
    Not(LineProblem),
}

/// Whether an unquoted value is `="…"`, by which spreadsheets keep a number as text.
fn is_formula_text(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let inner = value.strip_prefix(b"=\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.is_some_and(|inner| !inner.contains(&b'"'))
}
