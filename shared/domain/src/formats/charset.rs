//! Finds out in which charset a file is written.
//!
//! In this order: a byte order mark; text that is UTF-8 throughout; what the client or the tenant declares; text that is
//! UTF-8 but for some sequences, whose rows fail; and for Collaborator files a guess.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};

use super::csv::first_line;
use crate::file::{Charset, CharsetSource};
use crate::sniff::Refusal;

/// How much text is kept for the guess.
const SAMPLE_BYTES: usize = 64 * 1024;

/// The charset of a file, and how it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundCharset {
    /// The charset.
    pub charset: Charset,
    /// How it was found.
    pub source: CharsetSource,
}

/// Counts what tells the charset of a text, which arrives in pieces.
#[derive(Debug, Default)]
pub struct CharsetCensus {
    start: Vec<u8>,
    /// The first bytes of a character that continues in the next piece.
    partial: Vec<u8>,
    /// The sequences of several bytes that are UTF-8.
    valid_sequences: u64,
    /// The sequences that are not UTF-8.
    broken_sequences: u64,
    /// The runs of bytes beyond ASCII, counted where the text is not UTF-8.
    runs: u64,
    /// Those of one byte that stands beside an ASCII letter, as accented letters do in Western languages.
    single_runs: u64,
    /// Some of the text that is not UTF-8.
    sample: Vec<u8>,
}

impl CharsetCensus {
    /// Counts the whole text.
    pub fn of(text: &[u8]) -> Self {
        let mut census = Self::default();
        census.push(text);
        census
    }

    /// Counts the next piece of the text.
    pub fn push(&mut self, piece: &[u8]) {
        if self.start.len() < 3 {
            self.start.extend(piece.iter().take(3 - self.start.len()));
        }
        let rest = self.finish_partial(piece);
        if rest.is_ascii() {
            return;
        }
        let broken_before = self.broken_sequences;
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.valid_sequences += count_sequences(chunk.valid());
            let is_partial = chunks.peek().is_none()
                && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if is_partial {
                self.partial.extend_from_slice(chunk.invalid());
            } else if !chunk.invalid().is_empty() {
                self.broken_sequences += 1;
            }
        }
        if self.broken_sequences > broken_before {
            self.count_runs(rest);
            self.sample.extend(rest.iter().take(SAMPLE_BYTES - self.sample.len()));
        }
    }

    /// Completes the character that the last piece ended within. Returns the text after it.
    fn finish_partial<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let mut rest = piece;
        while !self.partial.is_empty() {
            let Some((next, after)) = rest.split_first() else { return rest };
            self.partial.push(*next);
            match std::str::from_utf8(&self.partial) {
                Ok(_) => self.valid_sequences += 1,
                Err(error) if error.error_len().is_none() => {
                    rest = after;
                    continue;
                }
                // The last byte may start another character.
                Err(_) => {
                    self.broken_sequences += 1;
                    self.partial.clear();
                    return rest;
                }
            }
            self.partial.clear();
            rest = after;
        }
        rest
    }

    fn count_runs(&mut self, text: &[u8]) {
        let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphabetic);
        let mut position = 0;
        while let Some(found) = text[position..].iter().position(|byte| !byte.is_ascii()) {
            let start = position + found;
            let length = text[start..].iter().take_while(|byte| !byte.is_ascii()).count();
            position = start + length;
            let before = start.checked_sub(1).and_then(|before| text.get(before));
            self.runs += 1;
            self.single_runs += u64::from(length == 1 && (is_letter(before) || is_letter(text.get(position))));
        }
    }

    /// The charset, if byte order mark, content or declaration decide it. A text that ends within a character is broken
    /// there if it is `complete`.
    pub fn decide(&self, declared: Option<FoundCharset>, complete: bool) -> Option<FoundCharset> {
        if let Some(charset) = Charset::of_mark(&self.start) {
            return Some(FoundCharset { charset, source: CharsetSource::Mark });
        }
        let broken = self.broken_sequences + u64::from(complete && !self.partial.is_empty());
        let content = FoundCharset { charset: Charset::UTF_8, source: CharsetSource::Content };
        if broken == 0 && self.valid_sequences > 0 {
            return Some(content);
        }
        if declared.is_some() {
            return declared;
        }
        (self.valid_sequences >= broken).then_some(content)
    }

    /// The charset of a Collaborator file that is not UTF-8: windows-1252 if it looks Western, else windows-1251.
    pub fn guess(&self) -> Result<FoundCharset, Refusal> {
        let found = |charset| Ok(FoundCharset { charset, source: CharsetSource::Guess });
        if self.single_runs * 10 < self.runs * 9 {
            return found(Charset::WINDOWS_1251);
        }
        let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
        detector.feed(&self.sample, true);
        let guessed = detector.guess(None, Utf8Detection::Deny);
        if guessed == encoding_rs::WINDOWS_1252 {
            return found(Charset::WINDOWS_1252);
        }
        Err(Refusal::CharsetUnknown(guessed.name()))
    }
}

/// The number of characters of several bytes.
fn count_sequences(text: &str) -> u64 {
    text.bytes().filter(|byte| *byte >= 0xC0).count() as u64
}

/// Fails if more than a tenth of the rows at the start of a file are not UTF-8. Fewer fail on their own.
pub fn refuse_mostly_broken(head: &[u8], delimiter: u8, complete: bool) -> Result<(), Refusal> {
    let (mut rows, mut broken, mut first) = (0_u64, 0_u64, None);
    let (mut rest, mut number) = (head, 0);
    while let Some(bytes) = first_line(rest, true).filter(|bytes| *bytes > 0) {
        let (line, after) = rest.split_at(bytes);
        let is_cut = after.is_empty() && !complete;
        (rest, number) = (after, number + 1);
        rows += u64::from(!line.trim_ascii().is_empty());
        let Err(error) = std::str::from_utf8(line) else { continue };
        if is_cut && error.error_len().is_none() {
            continue;
        }
        broken += 1;
        let column = memchr::memchr_iter(delimiter, &line[..error.valid_up_to()]).count() + 1;
        first.get_or_insert(Refusal::Utf8Invalid { line: number, column });
    }
    // The title line is not a row.
    match first.filter(|_| broken * 10 > rows.saturating_sub(1)) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(text: &[u8], piece_bytes: usize) -> CharsetCensus {
        let mut census = CharsetCensus::default();
        text.chunks(piece_bytes).for_each(|piece| census.push(piece));
        census
    }

    fn encode(text: &str, charset: Charset) -> Vec<u8> {
        charset.encoding().encode(text).0.into_owned()
    }

    #[test]
    fn a_mark_and_valid_text_decide() {
        let declared = Some(FoundCharset { charset: Charset::WINDOWS_1252, source: CharsetSource::Header });
        for piece_bytes in [1, 2, 3, 100] {
            let found = |text: &[u8], declared| {
                let found = census(text, piece_bytes).decide(declared, true)?;
                Some(format!("{} {}", found.charset.as_str(), found.source.as_str()))
            };
            let found = |text: &[u8], declared| found(text, declared).unwrap_or_default();
            assert_eq!(found(b"\xef\xbb\xbf\xd7", None), "utf-8 bom");
            assert_eq!(found(b"\xff\xfea\0", declared), "utf-16le bom");
            assert_eq!(found(b"\xfe\xff\0a", None), "utf-16be bom");
            assert_eq!(found("Чехов;Антон".as_bytes(), declared), "utf-8 content", "no declaration beats it");
            assert_eq!(found(b"abc", declared), "windows-1252 header", "ASCII does not tell");
            assert_eq!(found(b"abc", None), "utf-8 content");
            assert_eq!(found("Чехов;Ан\u{e9}".as_bytes(), None), "utf-8 content");
            assert_eq!(found(b"\xd0\xa7\xd0\xb5\xd1\x85;\xff", None), "utf-8 content", "one broken byte");
            assert_eq!(found(b"\xd0\xa7;\xff;\xff", None), "");
            assert_eq!(found(b"abc\xd0", None), "", "half a character at the end");
            assert_eq!(found(b"\xd7\xe5\xf5\xee\xe2;x", declared), "windows-1252 header");
        }
    }

    #[test]
    fn other_text_is_western_or_cyrillic() {
        let western = "Müller;Jörg;;m1\nBüro;München;;m2\nFrançois;Zoë;;m3\nGarcía;José;;m4\n".repeat(3);
        for piece_bytes in [7, 1000] {
            let guess = |text: &str, charset| {
                let census = census(&encode(text, charset), piece_bytes);
                assert_eq!(census.decide(None, true), None);
                census.guess().map(|found| found.charset.as_str())
            };
            assert_eq!(guess(&western, Charset::WINDOWS_1252), Ok("windows-1252".to_owned()));
            assert_eq!(
                guess("Прізвище;Ім'я;x\nКоваль;Олена;x\n", Charset::WINDOWS_1251),
                Ok("windows-1251".to_owned())
            );
            assert_eq!(guess("ПРІЗВИЩЕ;ЇЖАК\n", Charset::WINDOWS_1251), Ok("windows-1251".to_owned()));
        }
    }

    #[test]
    fn a_file_of_which_more_than_a_tenth_is_broken_is_refused_at_its_first_line() {
        let rows = |good: usize, broken: usize| {
            [b"EMAIL,USERNAME\n".to_vec(), b"a@x.y,a\n".repeat(good), b"b@x.y,\xe9\n".repeat(broken)].concat()
        };
        assert_eq!(refuse_mostly_broken(&rows(9, 1), b',', true), Ok(()));
        assert_eq!(refuse_mostly_broken(&rows(8, 1), b',', true), Err(Refusal::Utf8Invalid { line: 10, column: 2 }));
        assert_eq!(refuse_mostly_broken(b"EMAIL\n\xc3", b',', false), Ok(()), "a character that the head cuts");
        assert!(refuse_mostly_broken(b"EMAIL\n\xc3", b',', true).is_err());
    }
}
