//! Finds the elements of a JSON array and numbers them.
//!
//! Only the structure is followed: brackets, commas, and strings, which may contain both. Whether an element is
//! valid JSON is checked when it is parsed, so that an invalid element fails one row and not the file. An error
//! between elements makes the rest of the file unreadable.

use super::buffer::Buffer;
use crate::rejection::RejectionCode;
use crate::scanner::{RecordError, RecordLimits, Scan, Scanner};

/// Maximum depth to which the kinds of brackets are matched. Deeper brackets are only counted: a parser rejects
/// such a depth, and then only that element fails.
const MAX_MATCHED_DEPTH: u32 = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The separator between the elements of a batch.
const SEPARATOR: &[u8] = b"\n";

/// Finds the elements of a JSON array.
///
/// A scan consumes all of its input at once. Further elements in it are returned by scans of an empty input.
pub struct JsonArrayScanner {
    limits: RecordLimits,
    buffer: Buffer,
    /// The offset in the text at which the rest of the buffer starts.
    offset: u64,
    expected: Expected,
    element: Option<Element>,
    lead_bytes: u64,
    /// The length of the element, once its end was found.
    length: usize,
    row: u64,
}

/// What may come next, apart from white space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A byte order mark or the start, at the very start of the text.
    MarkOrStart,
    /// The bracket that starts the text.
    Start,
    /// The first element or the end of the array.
    FirstElementOrEnd,
    /// An element, after a comma.
    Element,
    /// A comma or the end of the array, after an element.
    CommaOrEnd,
    /// The end of the text.
    EndOfText,
    /// An element of a batch or the end of the batch.
    SequenceElementOrEnd,
}

impl JsonArrayScanner {
    /// Creates a scanner for an array, or for a single object, which is read as an array of one. `first_row` is the
    /// number of the first element. Elements have no lines, so only their size in bytes is limited.
    pub fn new(limits: RecordLimits, first_row: u64) -> Self {
        Self::expecting(Expected::MarkOrStart, limits, first_row)
    }

    /// Creates a scanner for the elements of a batch, which are separated by white space only.
    pub fn sequence(limits: RecordLimits, first_row: u64) -> Self {
        Self::expecting(Expected::SequenceElementOrEnd, limits, first_row)
    }

    fn expecting(expected: Expected, limits: RecordLimits, row: u64) -> Self {
        Self { limits, buffer: Buffer::default(), offset: 0, expected, element: None, lead_bytes: 0, length: 0, row }
    }

    fn consume_element(&mut self) {
        self.consume(self.length);
        self.length = 0;
        self.lead_bytes = 0;
        self.element = None;
        self.row += 1;
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.consume(bytes);
        self.offset += bytes as u64;
        self.lead_bytes += bytes as u64;
    }

    /// Consumes the text before the next element. Returns the result of the scan if there is no element.
    fn find_element(&mut self, at_end: bool) -> Result<Option<Scan>, RecordError> {
        if self.expected == Expected::MarkOrStart && !self.consume_mark(at_end) {
            return Ok(Some(Scan::NeedInput));
        }
        loop {
            self.consume_white_space();
            let Some(&byte) = self.buffer.rest().first() else {
                return if at_end { self.check_end().map(|()| Some(Scan::End)) } else { Ok(Some(Scan::NeedInput)) };
            };
            let next = match (self.expected, byte) {
                (Expected::Start, b'[') => Expected::FirstElementOrEnd,
                (Expected::FirstElementOrEnd | Expected::CommaOrEnd, b']') => Expected::EndOfText,
                (Expected::CommaOrEnd, b',') => Expected::Element,
                (Expected::Start, b'{') => return Ok(self.open_element(byte, Expected::EndOfText)),
                (Expected::FirstElementOrEnd | Expected::Element, _) if starts_value(byte) => {
                    return Ok(self.open_element(byte, Expected::CommaOrEnd));
                }
                (Expected::SequenceElementOrEnd, _) if starts_value(byte) => {
                    return Ok(self.open_element(byte, Expected::SequenceElementOrEnd));
                }
                _ => return Err(self.unexpected()),
            };
            self.expected = next;
            self.consume(1);
        }
    }

    /// Consumes a byte order mark. Returns `false` if more input is needed to recognize it.
    fn consume_mark(&mut self, at_end: bool) -> bool {
        let rest = self.buffer.rest();
        if rest.starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        } else if BYTE_ORDER_MARK.starts_with(rest) && !at_end {
            return false;
        }
        self.expected = Expected::Start;
        true
    }

    fn consume_white_space(&mut self) {
        let blank = self.buffer.rest().iter().take_while(|byte| is_white_space(**byte)).count();
        self.consume(blank);
    }

    fn open_element(&mut self, first: u8, expected_after: Expected) -> Option<Scan> {
        self.element = Some(Element::starting_with(first));
        self.expected = expected_after;
        None
    }

    /// The length of the element; `None` if more input is needed to find its end.
    fn find_end(&mut self, at_end: bool) -> Result<Option<usize>, RecordError> {
        let Some(element) = &mut self.element else { return Ok(None) };
        let rest = self.buffer.rest();
        let max_bytes = self.limits.max_bytes;
        // One more byte shows that the element is too large, or that it ends before this byte.
        let within = &rest[..rest.len().min(max_bytes.saturating_add(1))];
        let is_bare = element.is_bare;
        match element.find_end(within) {
            Err(mismatch) => Err(self.invalid_at(mismatch.expected, mismatch.position)),
            Ok(Some(length)) if length <= max_bytes => Ok(Some(length)),
            Ok(None) if rest.len() <= max_bytes && !at_end => Ok(None),
            Ok(None) if rest.len() <= max_bytes && is_bare && self.expected == Expected::SequenceElementOrEnd => {
                Ok(Some(rest.len()))
            }
            Ok(None) if rest.len() <= max_bytes => Err(self.ends_early()),
            Ok(_) => {
                Err(self.error(RejectionCode::RecordTooLarge, format!("the record is larger than {max_bytes} bytes")))
            }
        }
    }

    fn check_end(&self) -> Result<(), RecordError> {
        if matches!(self.expected, Expected::EndOfText | Expected::SequenceElementOrEnd) {
            Ok(())
        } else {
            Err(self.ends_early())
        }
    }

    fn ends_early(&self) -> RecordError {
        let problem = match self.expected {
            Expected::MarkOrStart | Expected::Start => "the JSON text is empty",
            Expected::FirstElementOrEnd | Expected::Element | Expected::CommaOrEnd => {
                "the JSON text ends before the array is closed"
            }
            Expected::EndOfText => "the JSON text ends before the object is closed",
            Expected::SequenceElementOrEnd => "the JSON text ends before an element is closed",
        };
        self.error(RejectionCode::JsonInvalid, problem.to_owned())
    }

    fn unexpected(&self) -> RecordError {
        let expected = match self.expected {
            Expected::MarkOrStart | Expected::Start => "[ or {",
            Expected::FirstElementOrEnd => "a value or ]",
            Expected::Element | Expected::SequenceElementOrEnd => "a value",
            Expected::CommaOrEnd => "a comma or ]",
            Expected::EndOfText => "the end of the JSON text",
        };
        let is_other_object = self.expected == Expected::EndOfText && self.buffer.rest().first() == Some(&b'{');
        if is_other_object {
            let problem = "expected one JSON object or an array of them, found several objects: send an array, or one \
                           object a line with Content-Type: application/x-ndjson";
            return self.error(RejectionCode::JsonInvalid, problem.to_owned());
        }
        self.invalid_at(expected, 0)
    }

    /// The message does not say what was found instead: errors never repeat content.
    fn invalid_at(&self, expected: &str, position: usize) -> RecordError {
        let offset = self.offset + position as u64;
        self.error(RejectionCode::JsonInvalid, format!("expected {expected} at byte {offset}"))
    }

    fn error(&self, code: RejectionCode, problem: String) -> RecordError {
        RecordError { line: self.row, code, problem }
    }
}

impl Scanner for JsonArrayScanner {
    fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.length > 0 {
            self.consume_element();
        }
        self.buffer.append(input);
        if self.element.is_none()
            && let Some(scan) = self.find_element(at_end)?
        {
            return Ok(scan);
        }
        let Some(length) = self.find_end(at_end)? else { return Ok(Scan::NeedInput) };
        self.length = length;
        Ok(Scan::Record(input.len()))
    }

    fn raw(&self) -> &[u8] {
        &self.buffer.rest()[..self.length]
    }

    /// Always a single line feed, regardless of the text between the elements: elements have no lines to preserve.
    fn lead(&self) -> Option<&[u8]> {
        Some(SEPARATOR)
    }

    fn lead_bytes(&self) -> u64 {
        self.lead_bytes
    }

    fn line(&self) -> u64 {
        self.row
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn starts_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"') || !ends_bare(byte)
}

/// Whether a number or a word ends before this byte.
fn ends_bare(byte: u8) -> bool {
    is_white_space(byte) || matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"')
}

/// An element whose end was not found yet.
struct Element {
    /// Whether it is a number or a word, which has no closing character.
    is_bare: bool,
    in_string: bool,
    depth: u32,
    /// One bit for each open bracket, the innermost lowest: 1 for `[`, 0 for `{`.
    square: u64,
    scanned: usize,
}

/// A closing bracket that does not match the open one.
struct Mismatch {
    expected: &'static str,
    position: usize,
}

impl Element {
    fn starting_with(first: u8) -> Self {
        Self { is_bare: !ends_bare(first), in_string: false, depth: 0, square: 0, scanned: 0 }
    }

    /// Scans the bytes that were not scanned yet. Returns the length of the element if it ends in them.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Mismatch> {
        while let Some(found) = self.find_next(bytes.get(self.scanned..).unwrap_or_default()) {
            let position = self.scanned + found;
            if self.is_bare {
                return Ok(Some(position));
            }
            self.scanned = position + 1;
            match bytes[position] {
                // The escaped byte has no meaning here, and it may not have arrived yet.
                b'\\' => self.scanned += 1,
                b'"' => self.in_string = !self.in_string,
                b'[' | b'{' => self.open(bytes[position] == b'['),
                _ => self.close(bytes[position] == b']', position)?,
            }
            if self.depth == 0 && !self.in_string {
                return Ok(Some(self.scanned));
            }
        }
        self.scanned = self.scanned.max(bytes.len());
        Ok(None)
    }

    /// The position of the next byte that is significant in the current state.
    fn find_next(&self, bytes: &[u8]) -> Option<usize> {
        if self.in_string {
            memchr::memchr2(b'"', b'\\', bytes)
        } else if self.is_bare {
            bytes.iter().position(|byte| ends_bare(*byte))
        } else {
            bytes.iter().position(|byte| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}'))
        }
    }

    fn open(&mut self, square: bool) {
        if self.depth < MAX_MATCHED_DEPTH {
            self.square = self.square << 1 | u64::from(square);
        }
        self.depth += 1;
    }

    fn close(&mut self, square: bool, position: usize) -> Result<(), Mismatch> {
        self.depth -= 1;
        if self.depth >= MAX_MATCHED_DEPTH {
            return Ok(());
        }
        let open_square = self.square & 1 == 1;
        if square != open_square {
            return Err(Mismatch { expected: if open_square { "]" } else { "}" }, position });
        }
        self.square >>= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
