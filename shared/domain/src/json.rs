//! Cuts a JSON array into its elements, without building any of it.
//!
//! Only the structure is followed, so that an element which is no valid JSON inside is still cut out and
//! judged by whoever parses it. A fault of the structure ends the text: nobody can say where the next
//! element begins.

use crate::record::{RecordError, RecordLimits, Scan};
use crate::rejection::RejectionCode;

/// Levels whose kind of bracket is checked; a parser that refuses more sees what is below.
const CHECKED_DEPTH: u32 = 64;
/// Bytes that are done with are dropped when there are so many.
const COMPACT_BYTES: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The array, or one object.
    Start,
    /// The first element or the end of the array.
    First,
    /// An element.
    Element,
    /// A comma or the end of the array.
    Separator,
    /// Nothing.
    Done,
    /// Elements without an array around.
    Sequence,
}

/// Finds the elements in a stream of bytes, fed in pieces of any size, which it takes whole.
pub struct JsonScanner {
    limits: RecordLimits,
    buffer: Vec<u8>,
    /// How many bytes of the text are before the buffer.
    before: u64,
    stage: Stage,
    /// Where the element before ends.
    last_end: u64,
    start: usize,
    end: usize,
    next_row: u64,
    lead_bytes: u64,
}

impl JsonScanner {
    /// A scanner for an array, or for one object as an array of one, whose first element has this number.
    pub fn new(limits: RecordLimits, first_row: u64) -> Self {
        let (buffer, stage) = (Vec::new(), Stage::Start);
        Self { limits, buffer, before: 0, stage, last_end: 0, start: 0, end: 0, next_row: first_row, lead_bytes: 0 }
    }

    /// A scanner for elements that are separated by white space alone.
    pub fn sequence(limits: RecordLimits, first_row: u64) -> Self {
        Self { stage: Stage::Sequence, ..Self::new(limits, first_row) }
    }

    /// Reads on. After [`Scan::Record`] the element is there until the next call; more of them may be in
    /// what was taken before, so that the next call may have nothing to read.
    pub fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.end > COMPACT_BYTES {
            self.buffer.drain(..self.end);
            self.before += self.end as u64;
            self.end = 0;
        }
        self.buffer.extend_from_slice(input);
        while let Some(byte) = self.next_byte(at_end) {
            match (self.stage, byte) {
                (Stage::Start, b'[') => self.punctuation(Stage::First),
                (Stage::First | Stage::Separator, b']') => self.punctuation(Stage::Done),
                (Stage::Separator, b',') => self.punctuation(Stage::Element),
                (Stage::Start, b'{') | (Stage::First | Stage::Element | Stage::Sequence, _) => {
                    return self.element(input.len(), at_end);
                }
                (Stage::Start, _) => return Err(self.fault("expected [ or {")),
                (Stage::Separator, _) => return Err(self.fault("expected a comma or ]")),
                (Stage::Done, _) => return Err(self.fault("expected nothing more")),
            }
        }
        match self.stage {
            _ if !at_end => Ok(Scan::NeedInput),
            Stage::Done | Stage::Sequence => Ok(Scan::End),
            Stage::Start => Err(self.fault("expected [ or {, found the end")),
            Stage::First | Stage::Element | Stage::Separator => {
                Err(self.fault("the text ends before the array is closed"))
            }
        }
    }

    /// The bytes of the element.
    pub fn raw(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// What stands between elements in a sequence.
    #[expect(clippy::unused_self, reason = "as the other scanners have it")]
    pub fn lead(&self) -> Option<&[u8]> {
        Some(b"\n")
    }

    /// How many bytes are between the element before and this one.
    pub fn lead_bytes(&self) -> u64 {
        self.lead_bytes
    }

    /// The number of the element.
    pub fn line(&self) -> u64 {
        self.next_row.saturating_sub(1)
    }

    /// The next byte that is no white space.
    fn next_byte(&mut self, at_end: bool) -> Option<u8> {
        if self.stage == Stage::Start && self.before == 0 && self.end == 0 {
            let seen = self.buffer.len().min(BYTE_ORDER_MARK.len());
            if self.buffer[..seen] == BYTE_ORDER_MARK[..seen] {
                if seen < BYTE_ORDER_MARK.len() && !at_end {
                    return None;
                }
                self.end = seen;
            }
        }
        let rest = &self.buffer[self.end..];
        let blank = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        self.end += blank.unwrap_or(rest.len());
        self.buffer.get(self.end).copied()
    }

    fn punctuation(&mut self, next: Stage) {
        self.end += 1;
        self.stage = next;
    }

    fn element(&mut self, taken: usize, at_end: bool) -> Result<Scan, RecordError> {
        let start = self.end;
        let length = self.element_length(start, at_end)?;
        let max = self.limits.max_bytes;
        if length.unwrap_or(self.buffer.len() - start) > max {
            let problem = format!("element {} is larger than {max} bytes", self.next_row);
            return Err(RecordError { line: self.next_row, code: RejectionCode::RecordTooLarge, problem });
        }
        let Some(length) = length else { return Ok(Scan::NeedInput) };
        self.lead_bytes = self.before + start as u64 - self.last_end;
        self.start = start;
        self.end = start + length;
        self.last_end = self.before + self.end as u64;
        self.next_row += 1;
        self.stage = match self.stage {
            Stage::Start | Stage::Done => Stage::Done,
            Stage::Sequence => Stage::Sequence,
            Stage::First | Stage::Element | Stage::Separator => Stage::Separator,
        };
        Ok(Scan::Record(taken))
    }

    /// How long the element is that begins at `start`; nothing if its end has not come.
    fn element_length(&self, start: usize, at_end: bool) -> Result<Option<usize>, RecordError> {
        let text = &self.buffer[start..];
        let length = match text[0] {
            b'{' | b'[' => self.nested_length(text)?,
            b'"' => string_length(text),
            b',' | b']' | b'}' | b':' => return Err(self.fault("expected a value")),
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n');
                text.iter().position(is_end).or(at_end.then_some(text.len()))
            }
        };
        match length {
            None if at_end => Err(self.fault("the text ends inside of a value")),
            length => Ok(length),
        }
    }

    fn nested_length(&self, text: &[u8]) -> Result<Option<usize>, RecordError> {
        // One bit a level: whether it is an object.
        let (mut objects, mut depth) = (0_u64, 0_u32);
        let mut position = 0;
        while let Some(&byte) = text.get(position) {
            match byte {
                b'"' => match string_length(&text[position..]) {
                    Some(length) => position += length - 1,
                    None => return Ok(None),
                },
                b'{' | b'[' => {
                    if depth < CHECKED_DEPTH {
                        objects = objects << 1 | u64::from(byte == b'{');
                    }
                    depth += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    if depth < CHECKED_DEPTH {
                        if (objects & 1 == 1) != (byte == b'}') {
                            return Err(self.fault("a value has a closing bracket of the wrong kind"));
                        }
                        objects >>= 1;
                    }
                    if depth == 0 {
                        return Ok(Some(position + 1));
                    }
                }
                _ => {}
            }
            position += 1;
        }
        Ok(None)
    }

    fn fault(&self, what: &str) -> RecordError {
        let offset = self.before + self.end as u64;
        let problem = format!("the JSON text cannot be read at byte {offset}: {what}");
        RecordError { line: self.next_row, code: RejectionCode::JsonInvalid, problem }
    }
}

/// How long the string is with which a text begins, with its quotes.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut position = 1;
    loop {
        let found = position + memchr::memchr2(b'"', b'\\', text.get(position..)?)?;
        if text[found] == b'"' {
            return Some(found + 1);
        }
        position = found + 2;
    }
}

#[cfg(test)]
mod tests;
