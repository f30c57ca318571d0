//! The texts to which cells refer by their numbers.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use crate::error::ArchiveError;
use crate::limits::MAX_STRING_BYTES;
use crate::xml::{Node, Xml};

/// What a text needs besides its bytes.
const ENTRY_BYTES: usize = size_of::<u32>();

/// The texts of a workbook.
#[derive(Debug)]
pub(super) enum Strings {
    /// All of them: their bytes, and where each ends.
    All { text: String, ends: Vec<u32> },
    /// Some of them.
    Some(HashMap<usize, String>),
}

impl Default for Strings {
    fn default() -> Self {
        Self::Some(HashMap::new())
    }
}

impl Strings {
    /// Reads all texts, or only those with these numbers. `part_bytes` is the size of the part, as the archive says. Fails if
    /// all of them need more than the maximum memory, or more than that size: the memory was reserved by it.
    pub(super) fn read(
        input: impl BufRead,
        wanted: Option<&HashSet<usize>>,
        part_bytes: u64,
    ) -> Result<Self, ArchiveError> {
        let mut strings = match wanted {
            Some(_) => Self::default(),
            None => Self::All { text: String::new(), ends: Vec::new() },
        };
        let mut xml = Xml::new(input);
        let (mut current, mut number, mut bytes) = (RichText::default(), 0, 0);
        loop {
            match xml.next()? {
                Node::Start(start) => current.start(start.local_name().as_ref()),
                Node::Text(text) => current.push(&text)?,
                Node::End(b"si") => {
                    bytes += current.text.len() + ENTRY_BYTES;
                    if bytes > MAX_STRING_BYTES {
                        return Err(ArchiveError::TooManyStrings);
                    }
                    // Each text takes up more in XML than here.
                    if bytes as u64 > part_bytes {
                        return Err(ArchiveError::Damaged);
                    }
                    let text = current.take();
                    match &mut strings {
                        Self::All { text: all, ends } => {
                            all.push_str(&text);
                            // The limit is far below 4 GiB.
                            ends.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
                        }
                        Self::Some(some) if wanted.is_some_and(|wanted| wanted.contains(&number)) => {
                            some.insert(number, text);
                        }
                        Self::Some(_) => {}
                    }
                    number += 1;
                }
                Node::End(name) => current.end(name),
                Node::Eof => return Ok(strings),
            }
        }
    }

    pub(super) fn get(&self, number: usize) -> Result<&str, ArchiveError> {
        let found = match self {
            Self::All { text, ends } => ends.get(number).and_then(|end| {
                let start = number.checked_sub(1).map_or(0, |before| ends[before]);
                text.get(start as usize..*end as usize)
            }),
            Self::Some(some) => some.get(&number).map(String::as_str),
        };
        found.ok_or(ArchiveError::WorkbookDamaged("a cell refers to a text that it does not have"))
    }
}

/// The text of an element `si` or `is`: its `t` elements, but not those of the phonetic reading.
#[derive(Debug, Default)]
pub(super) struct RichText {
    pub(super) text: String,
    is_open: bool,
    is_phonetic: bool,
}

impl RichText {
    /// A text that has been read.
    pub(super) fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    pub(super) fn start(&mut self, name: &[u8]) {
        match name {
            b"t" => self.is_open = true,
            b"rPh" => self.is_phonetic = true,
            _ => {}
        }
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), ArchiveError> {
        if self.is_open && !self.is_phonetic {
            self.text.push_str(text);
        }
        if self.text.len() > MAX_STRING_BYTES { Err(ArchiveError::TooManyStrings) } else { Ok(()) }
    }

    pub(super) fn end(&mut self, name: &[u8]) {
        match name {
            b"t" => self.is_open = false,
            b"rPh" => self.is_phonetic = false,
            _ => {}
        }
    }

    pub(super) fn take(&mut self) -> String {
        let text = std::mem::take(self).text;
        decode_escapes(text)
    }
}

/// Replaces `_x000D_` and the like by the characters that they stand for. A control character stays one that no text may
/// have, but never becomes the mark of a cell.
fn decode_escapes(text: String) -> String {
    let text = if text.contains("_x") { replace_escapes(&text) } else { text };
    if text.contains('\u{1}') { text.replace('\u{1}', "\u{2}") } else { text }
}

fn replace_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let digits = escape.get(2..6).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.filter(|_| escape.as_bytes().get(6) == Some(&b'_'));
        if let Some(character) = code.and_then(|digits| char::from_u32(u32::from_str_radix(digits, 16).ok()?)) {
            out.push(character);
            rest = &escape[7..];
        } else {
            out.push_str("_x");
            rest = &escape[2..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = "<sst><si><t>Ada</t></si><si><r><t xml:space=\"preserve\">Be </t></r><r><t>&amp;rg</t></r>\
                       <rPh><t>x</t></rPh></si><si/><si><t>a_x000D_b_x0001_c_xZ_</t></si></sst>";

    #[test]
    fn texts_are_found_by_their_numbers() {
        let wanted = HashSet::from([1, 3]);
        let all = Strings::read(XML.as_bytes(), None, u64::MAX).unwrap();
        let some = Strings::read(XML.as_bytes(), Some(&wanted), u64::MAX).unwrap();
        for (number, text) in [(0, "Ada"), (1, "Be &rg"), (2, ""), (3, "a\rb\u{2}c_xZ_")] {
            assert_eq!(all.get(number).unwrap(), text);
            assert_eq!(some.get(number).ok(), wanted.contains(&number).then_some(text));
        }
        assert!(matches!(all.get(4), Err(ArchiveError::WorkbookDamaged(_))));
    }

    #[test]
    fn texts_that_need_too_much_memory_are_refused() {
        let long = "x".repeat(1000);
        let xml = format!("<sst>{}</sst>", format!("<si><t>{long}</t></si>").repeat(MAX_STRING_BYTES / 1000 + 1));
        for wanted in [None, Some(&HashSet::new())] {
            let read = Strings::read(xml.as_bytes(), wanted, u64::MAX);
            assert!(matches!(read, Err(ArchiveError::TooManyStrings)));
        }
        let forged = Strings::read(XML.as_bytes(), None, 10);
        assert!(matches!(forged, Err(ArchiveError::Damaged)), "more than the archive says");
    }
}
