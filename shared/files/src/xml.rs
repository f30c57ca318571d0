//! Reads the XML of a workbook, element by element.

use std::borrow::Cow;
use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::error::ArchiveError;
use crate::limited::PieceLimit;

/// The maximum size of a tag or a text in bytes. The text of a cell has at most 32,767 characters.
const MAX_PIECE_BYTES: usize = 1 << 20;
/// How deep elements may be nested.
const MAX_DEPTH: usize = 32;

/// The elements whose ends matter.
const ENDS: [&[u8]; 8] = [b"c", b"v", b"t", b"row", b"si", b"rPh", b"sheetData", b"cellXfs"];

/// A piece of an XML document.
pub(crate) enum Node<'a> {
    /// The start of an element.
    Start(BytesStart<'a>),
    /// The end of an element, by its name without prefix; empty if it is none of those that matter.
    End(&'static [u8]),
    /// Text. One text may come in several pieces.
    Text(Cow<'a, str>),
    /// The end of the document.
    Eof,
}

/// Reads an XML document.
pub(crate) struct Xml<R> {
    reader: Reader<PieceLimit<R>>,
    buffer: Vec<u8>,
    depth: usize,
}

impl<R: BufRead> Xml<R> {
    pub(crate) fn new(input: R) -> Self {
        let mut reader = Reader::from_reader(PieceLimit::new(input, MAX_PIECE_BYTES));
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0 }
    }

    /// Returns the next piece. Comments and instructions are left out.
    pub(crate) fn next(&mut self) -> Result<Node<'_>, ArchiveError> {
        // The buffer of a long text is not kept for all others.
        if self.buffer.capacity() > 64 * 1024 {
            self.buffer = Vec::new();
        }
        self.buffer.clear();
        self.reader.get_mut().reset();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(xml_error)?;
        Ok(match event {
            Event::Start(start) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(ArchiveError::WorkbookDamaged("its XML is nested too deeply"));
                }
                Node::Start(start)
            }
            Event::End(end) => {
                self.depth = self.depth.saturating_sub(1);
                let name = end.local_name();
                Node::End(ENDS.into_iter().find(|end| *end == name.as_ref()).unwrap_or_default())
            }
            Event::Text(text) => Node::Text(Cow::Owned(text.xml10_content().map_err(|_| invalid())?.into_owned())),
            Event::CData(text) => Node::Text(Cow::Owned(text.xml10_content().map_err(|_| invalid())?.into_owned())),
            Event::GeneralRef(reference) => Node::Text(Cow::Owned(resolve(&reference)?.to_string())),
            Event::DocType(_) => return Err(ArchiveError::WorkbookDamaged("its XML has a document type")),
            Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => Node::Text(Cow::Borrowed("")),
            Event::Eof => Node::Eof,
        })
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, ArchiveError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| invalid())? {
        return Ok(character);
    }
    match &**reference {
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"amp" => Ok('&'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(invalid()),
    }
}

fn xml_error(error: quick_xml::Error) -> ArchiveError {
    match error {
        quick_xml::Error::Io(error) => match std::sync::Arc::try_unwrap(error) {
            Ok(error) => error.into(),
            Err(_) => ArchiveError::Damaged,
        },
        _ => invalid(),
    }
}

fn invalid() -> ArchiveError {
    ArchiveError::WorkbookDamaged("its XML is invalid")
}

/// The value of an attribute, by its name without prefix.
pub(crate) fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, ArchiveError> {
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| invalid())?;
        if attribute.key.local_name().as_ref() == name.as_bytes() {
            let value = std::str::from_utf8(&attribute.value).map_err(|_| invalid())?;
            let value = quick_xml::escape::unescape(value).map_err(|_| invalid())?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}
