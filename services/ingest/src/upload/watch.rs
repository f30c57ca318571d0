//! What is looked at in the whole of a Collaborator upload while it comes.

use muster_domain::json::JsonScanner;
use muster_domain::record::{RecordLimits, Scan};
use muster_domain::sniff::Refusal;
use muster_domain::{Charset, Format};

/// Follows the text of an upload.
pub(super) enum Watch {
    Charset(CharsetWatch),
    Json { scanner: Box<JsonScanner>, records: u64 },
}

impl Watch {
    pub(super) fn new(format: Format, limits: RecordLimits) -> Self {
        match format {
            Format::Csv => Self::Charset(CharsetWatch::default()),
            Format::Json => Self::Json { scanner: Box::new(JsonScanner::new(limits, 1)), records: 0 },
        }
    }

    /// Looks at a piece.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Charset(watch) => watch.push(piece),
            Self::Json { scanner, records } => *records += count(scanner, piece, false)?,
        }
        Ok(())
    }

    /// Says in which charset the text is, at its end.
    pub(super) fn finish(&mut self) -> Result<Charset, Refusal> {
        match self {
            Self::Charset(watch) => Ok(watch.charset()),
            Self::Json { scanner, records } => {
                *records += count(scanner, &[], true)?;
                if *records == 0 { Err(Refusal::NoUsers) } else { Ok(Charset::Utf8) }
            }
        }
    }
}

/// How many elements end within a piece.
fn count(scanner: &mut JsonScanner, mut piece: &[u8], at_end: bool) -> Result<u64, Refusal> {
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

/// A byte order mark decides; otherwise what is valid UTF-8 is UTF-8, and all else windows-1251.
#[derive(Default)]
pub(super) struct CharsetWatch {
    start: Vec<u8>,
    /// The bytes of a character that the last piece has cut.
    cut: Vec<u8>,
    is_other: bool,
}

impl CharsetWatch {
    fn push(&mut self, piece: &[u8]) {
        let missing = 3_usize.saturating_sub(self.start.len()).min(piece.len());
        self.start.extend_from_slice(&piece[..missing]);
        if self.is_other {
            return;
        }
        let joined;
        let text = if self.cut.is_empty() {
            piece
        } else {
            joined = [std::mem::take(&mut self.cut).as_slice(), piece].concat();
            &joined
        };
        if let Err(error) = std::str::from_utf8(text) {
            match error.error_len() {
                Some(_) => self.is_other = true,
                None => self.cut = text[error.valid_up_to()..].to_vec(),
            }
        }
    }

    fn charset(&self) -> Charset {
        match charset_of_mark(&self.start) {
            Some(charset) => charset,
            None if self.is_other || !self.cut.is_empty() => Charset::Windows1251,
            None => Charset::Utf8,
        }
    }
}

/// The charset that a byte order mark stands for.
pub(super) fn charset_of_mark(start: &[u8]) -> Option<Charset> {
    match start {
        [0xEF, 0xBB, 0xBF, ..] => Some(Charset::Utf8),
        [0xFF, 0xFE, ..] => Some(Charset::Utf16Le),
        [0xFE, 0xFF, ..] => Some(Charset::Utf16Be),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(text: &[u8], piece: usize) -> Charset {
        let mut watch = CharsetWatch::default();
        text.chunks(piece).for_each(|piece| watch.push(piece));
        watch.charset()
    }

    #[test]
    fn the_charset_is_found_in_pieces_of_any_size() {
        for piece in 1..5 {
            assert_eq!(charset("Чехов;Антон".as_bytes(), piece), Charset::Utf8);
            assert_eq!(charset(b"\xd7\xe5\xf5\xee\xe2;x", piece), Charset::Windows1251);
            assert_eq!(charset(b"abc\xd0", piece), Charset::Windows1251, "half a character at the end");
            assert_eq!(charset(b"\xef\xbb\xbf\xd7", piece), Charset::Utf8, "a mark decides");
            assert_eq!(charset(b"\xff\xfea\0", piece), Charset::Utf16Le);
            assert_eq!(charset(b"\xfe\xff\0a", piece), Charset::Utf16Be);
        }
    }
}
