//! Inspects the text of an upload before the upload is accepted.

use muster_domain::json_array::JsonArrayScanner;
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_domain::sniff::Refusal;
use muster_domain::{Charset, Format};

use crate::charset::Transcoder;

/// Inspects the whole text of a Collaborator upload while it arrives: the charset of a CSV file, the syntax of JSON.
pub(super) enum StreamInspector {
    Charset(CharsetDetector),
    Json { scanner: Box<JsonArrayScanner>, records: u64 },
}

impl StreamInspector {
    pub(super) fn new(format: Format, limits: RecordLimits) -> Self {
        match format {
            Format::Csv => Self::Charset(CharsetDetector::default()),
            Format::Json => Self::Json { scanner: Box::new(JsonArrayScanner::new(limits, 1)), records: 0 },
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Charset(detector) => detector.push(piece),
            Self::Json { scanner, records } => *records += count_elements(scanner, piece, false)?,
        }
        Ok(())
    }

    /// Returns the charset of the text, at its end.
    pub(super) fn finish(&mut self) -> Result<Charset, Refusal> {
        match self {
            Self::Charset(detector) => Ok(detector.charset()),
            Self::Json { scanner, records } => {
                *records += count_elements(scanner, &[], true)?;
                if *records == 0 { Err(Refusal::NoUsers) } else { Ok(Charset::Utf8) }
            }
        }
    }
}

/// Counts the array elements that end within a piece.
fn count_elements(scanner: &mut JsonArrayScanner, mut piece: &[u8], at_end: bool) -> Result<u64, Refusal> {
    let mut found = 0;
    loop {
        match scanner.scan(piece, at_end).map_err(Refusal::Json)? {
            Scan::Record(used) => {
                found += 1;
                piece = &piece[used..];
            }
            Scan::NeedInput | Scan::End => return Ok(found),
        }
    }
}

/// Detects the charset: a byte order mark decides; without one, valid UTF-8 is UTF-8 and everything else windows-1251.
#[derive(Default)]
pub(super) struct CharsetDetector {
    start: Vec<u8>,
    /// The first bytes of a character that continues in the next piece.
    partial: Vec<u8>,
    is_not_utf8: bool,
}

impl CharsetDetector {
    fn push(&mut self, piece: &[u8]) {
        let missing = 3_usize.saturating_sub(self.start.len()).min(piece.len());
        self.start.extend_from_slice(&piece[..missing]);
        if self.is_not_utf8 {
            return;
        }
        let joined;
        let text = if self.partial.is_empty() {
            piece
        } else {
            joined = [std::mem::take(&mut self.partial).as_slice(), piece].concat();
            &joined
        };
        if let Err(error) = std::str::from_utf8(text) {
            match error.error_len() {
                Some(_) => self.is_not_utf8 = true,
                None => self.partial = text[error.valid_up_to()..].to_vec(),
            }
        }
    }

    fn charset(&self) -> Charset {
        match charset_of_mark(&self.start) {
            Some(charset) => charset,
            None if self.is_not_utf8 || !self.partial.is_empty() => Charset::Windows1251,
            None => Charset::Utf8,
        }
    }
}

/// Returns the charset that a byte order mark declares.
fn charset_of_mark(start: &[u8]) -> Option<Charset> {
    match start {
        [0xEF, 0xBB, 0xBF, ..] => Some(Charset::Utf8),
        [0xFF, 0xFE, ..] => Some(Charset::Utf16Le),
        [0xFE, 0xFF, ..] => Some(Charset::Utf16Be),
        _ => None,
    }
}

/// Returns the head of a file as text in which separators and line ends can be found. Only UTF-16 is decoded: in
/// windows-1251 these characters are the same bytes as in UTF-8.
pub(super) fn head_text(head: &[u8]) -> Vec<u8> {
    let charset = charset_of_mark(head).unwrap_or(Charset::Utf8);
    Transcoder::new(charset).decode(head, true).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(text: &[u8], piece_bytes: usize) -> Charset {
        let mut detector = CharsetDetector::default();
        text.chunks(piece_bytes).for_each(|piece| detector.push(piece));
        detector.charset()
    }

    #[test]
    fn the_charset_does_not_depend_on_the_piece_size() {
        for piece_bytes in 1..5 {
            assert_eq!(charset("Чехов;Антон".as_bytes(), piece_bytes), Charset::Utf8);
            assert_eq!(charset(b"\xd7\xe5\xf5\xee\xe2;x", piece_bytes), Charset::Windows1251);
            assert_eq!(charset(b"abc\xd0", piece_bytes), Charset::Windows1251, "half a character at the end");
            assert_eq!(charset(b"\xef\xbb\xbf\xd7", piece_bytes), Charset::Utf8, "a byte order mark decides");
            assert_eq!(charset(b"\xff\xfea\0", piece_bytes), Charset::Utf16Le);
            assert_eq!(charset(b"\xfe\xff\0a", piece_bytes), Charset::Utf16Be);
        }
    }
}
