//! Cuts JSON text into the elements of its array and numbers them.
//!
//! Only structure is followed: brackets, commas, and strings, in which neither counts. Whether an
//! element is valid JSON is for whoever parses it, so that one bad element costs one row and not the
//! file. What is wrong between the elements ends the file.

use crate::loose::Buffer;
use crate::record::{RecordError, RecordLimits, Scan};
use crate::rejection::RejectionCode;

/// Levels of brackets whose kind is checked. Those below are counted; a parser refuses such depths anyway,
/// and then the one element fails.
const CHECKED_LEVELS: u32 = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Stands between the elements of a batch.
const SEPARATOR: &[u8] = b"\n";

/// Finds the elements in a stream of bytes, fed in pieces of any size.
pub struct JsonScanner {
    limits: RecordLimits,
    buffer: Buffer,
    /// Where in the text the rest of the buffer begins.
    offset: u64,
    place: Place,
    element: Option<Element>,
    lead_bytes: u64,
    length: usize,
    row: u64,
}

/// What comes next, apart from white space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A byte order mark, perhaps, at the very start of the text.
    Mark,
    /// The bracket that begins the text.
    Start,
    /// The first element or the end of the array.
    First,
    /// An element, behind a comma.
    Element,
    /// A comma or the end of the array, behind an element.
    Comma,
    /// The end of the text.
    End,
    /// An element of a batch or the end of it.
    Sequence,
}

impl JsonScanner {
    /// A scanner for an array of elements, or for one object that stands for an array of itself. The
    /// first element has the number `first_row`. A record has no lines here, so only the limit on its
    /// bytes counts.
    pub fn new(limits: RecordLimits, first_row: u64) -> Self {
        Self::starting_at(Place::Mark, limits, first_row)
    }

    /// A scanner for the elements of a batch, between which there is only white space.
    pub fn sequence(limits: RecordLimits, first_row: u64) -> Self {
        Self::starting_at(Place::Sequence, limits, first_row)
    }

    fn starting_at(place: Place, limits: RecordLimits, row: u64) -> Self {
        Self { limits, buffer: Buffer::default(), offset: 0, place, element: None, lead_bytes: 0, length: 0, row }
    }

    /// Reads on. All of the input is taken over at once; elements that are left in it are given by
    /// further calls without input. After [`Scan::Record`] the element is there until the next call.
    pub fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        if self.length > 0 {
            self.pass_element();
        }
        self.buffer.take(input);
        if self.element.is_none()
            && let Some(scan) = self.find_element(at_end)?
        {
            return Ok(scan);
        }
        let Some(length) = self.find_end(at_end)? else { return Ok(Scan::NeedInput) };
        self.length = length;
        Ok(Scan::Record(input.len()))
    }

    /// The bytes of the element.
    pub fn raw(&self) -> &[u8] {
        &self.buffer.rest()[..self.length]
    }

    /// What stands before the element in a batch: always the same, whatever stood there in the text.
    pub fn lead(&self) -> Option<&[u8]> {
        Some(SEPARATOR)
    }

    /// How many bytes of the text lie between the element before and this one.
    pub fn lead_bytes(&self) -> u64 {
        self.lead_bytes
    }

    /// The number of the element.
    pub fn line(&self) -> u64 {
        self.row
    }

    fn pass_element(&mut self) {
        self.pass(self.length);
        self.length = 0;
        self.lead_bytes = 0;
        self.element = None;
        self.row += 1;
    }

    fn pass(&mut self, bytes: usize) {
        self.buffer.pass(bytes);
        self.offset += bytes as u64;
        self.lead_bytes += bytes as u64;
    }

    /// Passes what lies before the next element. Gives the answer if there is none.
    fn find_element(&mut self, at_end: bool) -> Result<Option<Scan>, RecordError> {
        if self.place == Place::Mark && !self.pass_mark(at_end) {
            return Ok(Some(Scan::NeedInput));
        }
        loop {
            self.pass_white_space();
            let Some(&byte) = self.buffer.rest().first() else {
                return if at_end { self.check_end().map(|()| Some(Scan::End)) } else { Ok(Some(Scan::NeedInput)) };
            };
            let next = match (self.place, byte) {
                (Place::Start, b'[') => Place::First,
                (Place::First | Place::Comma, b']') => Place::End,
                (Place::Comma, b',') => Place::Element,
                (Place::Start, b'{') => return Ok(self.begin_element(byte, Place::End)),
                (Place::First | Place::Element, _) if begins_value(byte) => {
                    return Ok(self.begin_element(byte, Place::Comma));
                }
                (Place::Sequence, _) if begins_value(byte) => return Ok(self.begin_element(byte, Place::Sequence)),
                _ => return Err(self.unexpected()),
            };
            self.place = next;
            self.pass(1);
        }
    }

    /// Whether it is known by now if there is a mark.
    fn pass_mark(&mut self, at_end: bool) -> bool {
        let rest = self.buffer.rest();
        if rest.starts_with(BYTE_ORDER_MARK) {
            self.pass(BYTE_ORDER_MARK.len());
        } else if BYTE_ORDER_MARK.starts_with(rest) && !at_end {
            return false;
        }
        self.place = Place::Start;
        true
    }

    fn pass_white_space(&mut self) {
        let blank = self.buffer.rest().iter().take_while(|byte| is_white_space(**byte)).count();
        self.pass(blank);
    }

    fn begin_element(&mut self, first: u8, behind: Place) -> Option<Scan> {
        self.element = Some(Element::beginning_with(first));
        self.place = behind;
        None
    }

    /// How long the element is; nothing if that takes more input.
    fn find_end(&mut self, at_end: bool) -> Result<Option<usize>, RecordError> {
        let Some(element) = &mut self.element else { return Ok(None) };
        let rest = self.buffer.rest();
        let max_bytes = self.limits.max_bytes;
        // One byte more shows that the element is too large, or that it ends before it.
        let within = &rest[..rest.len().min(max_bytes.saturating_add(1))];
        let bare = element.bare;
        match element.find_end(within) {
            Err(fault) => Err(self.invalid_at(fault.expected, fault.position)),
            Ok(Some(length)) if length <= max_bytes => Ok(Some(length)),
            Ok(None) if rest.len() <= max_bytes && !at_end => Ok(None),
            Ok(None) if rest.len() <= max_bytes && bare && self.place == Place::Sequence => Ok(Some(rest.len())),
            Ok(None) if rest.len() <= max_bytes => Err(self.ends_early()),
            Ok(_) => {
                Err(self.error(RejectionCode::RecordTooLarge, format!("the record is larger than {max_bytes} bytes")))
            }
        }
    }

    fn check_end(&self) -> Result<(), RecordError> {
        if matches!(self.place, Place::End | Place::Sequence) { Ok(()) } else { Err(self.ends_early()) }
    }

    fn ends_early(&self) -> RecordError {
        let problem = match self.place {
            Place::Mark | Place::Start => "the JSON text is empty",
            Place::First | Place::Element | Place::Comma => "the JSON text ends before the array is closed",
            Place::End => "the JSON text ends before the object is closed",
            Place::Sequence => "the JSON text ends before an element is closed",
        };
        self.error(RejectionCode::JsonInvalid, problem.to_owned())
    }

    fn unexpected(&self) -> RecordError {
        let expected = match self.place {
            Place::Mark | Place::Start => "[ or {",
            Place::First => "a value or ]",
            Place::Element | Place::Sequence => "a value",
            Place::Comma => "a comma or ]",
            Place::End => "the end of the JSON text",
        };
        self.invalid_at(expected, 0)
    }

    /// Never says what was found instead: a report does not repeat content.
    fn invalid_at(&self, expected: &str, position: usize) -> RecordError {
        let offset = self.offset + position as u64;
        self.error(RejectionCode::JsonInvalid, format!("expected {expected} at byte {offset}"))
    }

    fn error(&self, code: RejectionCode, problem: String) -> RecordError {
        RecordError { line: self.row, code, problem }
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn begins_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"') || !ends_bare(byte)
}

/// Whether a number or a word ends before this byte.
fn ends_bare(byte: u8) -> bool {
    is_white_space(byte) || matches!(byte, b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"')
}

/// An element whose end is looked for.
struct Element {
    /// A number or a word, which nothing closes.
    bare: bool,
    in_string: bool,
    levels: u32,
    /// Which of the open brackets are square, the innermost in the lowest bit.
    square: u64,
    looked: usize,
}

/// What should have stood at a position of an element.
struct Fault {
    expected: &'static str,
    position: usize,
}

impl Element {
    fn beginning_with(first: u8) -> Self {
        let bare = !ends_bare(first);
        Self { bare, in_string: false, levels: 0, square: 0, looked: 0 }
    }

    /// Looks at the bytes of the element that were not looked at yet.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(found) = self.find_next(bytes.get(self.looked..).unwrap_or_default()) {
            let position = self.looked + found;
            if self.bare {
                return Ok(Some(position));
            }
            self.looked = position + 1;
            match bytes[position] {
                // Of the escaped byte nothing needs to be known, and it may not be there yet.
                b'\\' => self.looked += 1,
                b'"' => self.in_string = !self.in_string,
                b'[' | b'{' => self.open(bytes[position] == b'['),
                _ => self.close(bytes[position] == b']', position)?,
            }
            if self.levels == 0 && !self.in_string {
                return Ok(Some(self.looked));
            }
        }
        self.looked = self.looked.max(bytes.len());
        Ok(None)
    }

    /// The next byte that means something where the search is.
    fn find_next(&self, bytes: &[u8]) -> Option<usize> {
        if self.in_string {
            memchr::memchr2(b'"', b'\\', bytes)
        } else if self.bare {
            bytes.iter().position(|byte| ends_bare(*byte))
        } else {
            bytes.iter().position(|byte| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}'))
        }
    }

    fn open(&mut self, square: bool) {
        if self.levels < CHECKED_LEVELS {
            self.square = self.square << 1 | u64::from(square);
        }
        self.levels += 1;
    }

    fn close(&mut self, square: bool, position: usize) -> Result<(), Fault> {
        self.levels -= 1;
        if self.levels >= CHECKED_LEVELS {
            return Ok(());
        }
        let open_square = self.square & 1 == 1;
        if square != open_square {
            return Err(Fault { expected: if open_square { "]" } else { "}" }, position });
        }
        self.square >>= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
