//! The checks on the first bytes of an upload before it is accepted.

use crate::header::{Header, HeaderError};
use crate::scanner::{RecordError, RecordLimits, Scan, Scanner};
use crate::strict_csv::StrictCsvScanner;

/// Number of bytes of an upload that are checked before it is accepted.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Why an upload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The file contains only white space.
    #[error("the file is empty")]
    FileEmpty,
    /// The file is of another type.
    #[error("the file is {0}; expected CSV text")]
    NotCsv(&'static str),
    /// The text is UTF-16 or UTF-32.
    #[error("the file is {0}; expected UTF-8")]
    CharsetUtf16(&'static str),
    /// The text is in another charset.
    #[error("the file is not UTF-8: the byte at offset {0} is invalid")]
    Utf8Invalid(usize),
    /// The title line is invalid.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The title line is not a valid record.
    #[error("the header cannot be read: {0}")]
    HeaderUnreadable(#[from] RecordError),
    /// The file contains no users.
    #[error("the file contains no users")]
    NoUsers,
    /// The JSON text is invalid.
    #[error("{}", .0.problem)]
    Json(RecordError),
    /// The first line has no separator.
    #[error("the first line has no semicolon; expected titles separated by semicolons")]
    DelimiterMissing,
    /// The title line does not end within [`HEAD_BYTES`].
    #[error("the header does not end within the first 64 KiB")]
    HeaderTooLong,
}

impl Refusal {
    /// The stable code, for metrics and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::FileEmpty | Self::NoUsers => "file_empty",
            Self::NotCsv(_) => "not_csv",
            Self::CharsetUtf16(_) => "encoding_utf16",
            Self::Utf8Invalid(_) => "utf8_invalid",
            Self::Header(error) => match error {
                HeaderError::ColumnMissing(_) => "column_missing",
                HeaderError::DelimiterSuspected(_) => "delimiter_suspected",
                HeaderError::ColumnDuplicate(..) => "column_duplicate",
                HeaderError::TooManyColumns(_) => "too_many_columns",
                HeaderError::PasswordColumn(_) => "column_forbidden",
                _ => "header_invalid",
            },
            Self::Json(_) => "json_invalid",
            Self::DelimiterMissing => "delimiter_suspected",
            Self::HeaderUnreadable(_) | Self::HeaderTooLong => "header_invalid",
        }
    }
}

/// Checks the first bytes of a Spigit file, decompressed. `complete` says that they are the whole file.
pub fn inspect_spigit(head: &[u8], complete: bool, limits: RecordLimits) -> Result<Header, Refusal> {
    refuse_other_types(head)?;
    check_utf8(head, complete)?;
    let text = strip_bom(head);
    if text.iter().all(u8::is_ascii_whitespace) && complete {
        return Err(Refusal::FileEmpty);
    }
    let mut scanner = StrictCsvScanner::new(b',', limits, 1);
    match scanner.scan(text, complete)? {
        Scan::Record(_) => {
            let titles = (0..scanner.field_count()).filter_map(|index| scanner.field(index));
            Ok(Header::parse(titles)?)
        }
        Scan::End => Err(Refusal::FileEmpty),
        Scan::NeedInput => Err(Refusal::HeaderTooLong),
    }
}

/// Checks the first bytes of a Collaborator CSV file: `head` as uploaded, `text` as UTF-8. The titles may be in any
/// language; the line only has to have a separator.
pub fn inspect_collaborator(head: &[u8], text: &[u8], complete: bool) -> Result<(), Refusal> {
    let is_utf16 =
        matches!(head, [0xFF, 0xFE, second, third, ..] if (*second, *third) != (0, 0)) || head.starts_with(b"\xfe\xff");
    if !is_utf16 {
        refuse_other_types(head)?;
    }
    let text = strip_bom(text).trim_ascii_start();
    if text.is_empty() && complete {
        return Err(Refusal::FileEmpty);
    }
    let title = text.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    if title.len() == text.len() && !complete {
        return Err(Refusal::HeaderTooLong);
    }
    if title.contains(&b';') { Ok(()) } else { Err(Refusal::DelimiterMissing) }
}

/// The text without its byte order mark.
pub fn strip_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// The first bytes of file types that people upload by mistake.
const MAGIC: [(&[u8], &str); 13] = [
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"\x1f\x8b", "gzip data without Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd data without Content-Encoding: zstd"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "an executable program"),
];

fn refuse_other_types(head: &[u8]) -> Result<(), Refusal> {
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Refusal::NotCsv(kind));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.starts_with(b"\0\0\xfe\xff") {
        return Err(Refusal::CharsetUtf16("UTF-16 or UTF-32"));
    }
    let start: Vec<u8> =
        head.iter().skip_while(|b| b.is_ascii_whitespace()).take(14).map(u8::to_ascii_lowercase).collect();
    if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
        return Err(Refusal::NotCsv("an HTML page"));
    }
    let zeros = head.iter().take(512).filter(|b| **b == 0).count();
    if zeros > 0 && zeros * 3 >= head.len().min(512) {
        return Err(Refusal::CharsetUtf16("UTF-16 without a byte order mark"));
    }
    if zeros > 0 {
        return Err(Refusal::NotCsv("binary data"));
    }
    Ok(())
}

fn check_utf8(head: &[u8], complete: bool) -> Result<(), Refusal> {
    match std::str::from_utf8(head) {
        Ok(_) => Ok(()),
        // The end of the head may cut a character, the end of the file may not.
        Err(error) if error.error_len().is_none() && !complete => Ok(()),
        Err(error) => Err(Refusal::Utf8Invalid(error.valid_up_to())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

    fn code(head: &[u8]) -> &'static str {
        inspect_spigit(head, true, RecordLimits::default()).map_or_else(|refusal| refusal.code(), |_| "ok")
    }

    #[test]
    fn usable_files_are_accepted() {
        for text in [TITLES.to_owned(), format!("\u{feff}{TITLES}\r\na,b,c,d"), format!("\n\"EMAIL\",{}", &TITLES[6..])]
        {
            assert_eq!(code(text.as_bytes()), "ok", "{text:?}");
        }
    }

    fn utf16(bytes_of: fn(u16) -> [u8; 2], mark: &str) -> Vec<u8> {
        format!("{mark}{TITLES}").encode_utf16().flat_map(bytes_of).collect()
    }

    fn utf32(bytes_of: fn(u32) -> [u8; 4], mark: &str) -> Vec<u8> {
        format!("{mark}{TITLES}").chars().flat_map(|c| bytes_of(u32::from(c))).collect()
    }

    #[test]
    fn utf_16_and_utf_32_are_recognized() {
        let bom = "\u{feff}";
        for head in [
            utf16(u16::to_le_bytes, bom),
            utf16(u16::to_be_bytes, bom),
            utf16(u16::to_le_bytes, ""),
            utf16(u16::to_be_bytes, ""),
            utf32(u32::to_le_bytes, bom),
            utf32(u32::to_be_bytes, bom),
            utf32(u32::to_le_bytes, ""),
            utf32(u32::to_be_bytes, ""),
        ] {
            assert_eq!(code(&head), "encoding_utf16", "{head:?}");
        }
    }

    #[test]
    fn other_file_types_are_refused_by_name() {
        let mut tar = vec![0; 512];
        tar[..9].copy_from_slice(b"users.csv");
        for (head, kind) in [
            (b"\x89PNG\r\n\x1a\n\0\0".as_slice(), "a PNG image"),
            (b"\xff\xd8\xff\xe0", "a JPEG image"),
            (b"%PDF-1.7", "a PDF document"),
            (b"PK\x03\x04rest", "a ZIP archive or an Excel workbook"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel or Word document"),
            (b"\x1f\x8b\x08", "gzip data without Content-Encoding: gzip"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd data without Content-Encoding: zstd"),
            (b"BZh91AY", "bzip2 data"),
            (b"\xfd7zXZ\0", "xz data"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
            (b"Rar!\x1a\x07", "a RAR archive"),
            (b"PAR1\x15\x04", "a Parquet file"),
            (b"\x7fELF", "an executable program"),
            (b" <!DOCTYPE html><html>", "an HTML page"),
            (b"<HTML><body>", "an HTML page"),
            (b"EMAIL,USERNAME\0,FIRST_NM,LAST_NM", "binary data"),
        ] {
            let refused = inspect_spigit(head, true, RecordLimits::default());
            assert_eq!(refused, Err(Refusal::NotCsv(kind)));
        }
        assert_eq!(code(b"a\0b,c,d,e,f,g"), "not_csv");
        assert!(inspect_spigit(&tar, true, RecordLimits::default()).is_err());
    }

    #[test]
    fn an_unusable_file_is_refused_with_its_code() {
        let with_row = |row: &[u8]| [TITLES.as_bytes(), b"\n", row].concat();
        for (head, expected) in [
            (b"".as_slice(), "file_empty"),
            (b"\xef\xbb\xbf", "file_empty"),
            (b"\xef\xbb\xbf\n", "file_empty"),
            (b"\n \r\n", "file_empty"),
            (&with_row(b"\xc4\xe8,x,y,z"), "utf8_invalid"),
            (&with_row(b"\xc0\xaf,x,y,z"), "utf8_invalid"),
            (&with_row(b"\xed\xa0\x80,x,y,z"), "utf8_invalid"),
            (&with_row(b"a,b,c,\xc3"), "utf8_invalid"),
            (b"USERNAME,FIRST_NM,LAST_NM\n", "column_missing"),
            (b"EMAIL;USERNAME;FIRST_NM;LAST_NM\n", "delimiter_suspected"),
            (b"EMAIL\tUSERNAME\tFIRST_NM\tLAST_NM\n", "delimiter_suspected"),
            (b"sep=;\nEMAIL;USERNAME;FIRST_NM;LAST_NM\n", "header_invalid"),
            (b"sep=,\nEMAIL,USERNAME,FIRST_NM,LAST_NM\n", "header_invalid"),
            (b"EMAIL,USERNAME,FIRST_NM,LAST_NM,PASSWORD\n", "column_forbidden"),
            (b"\"EMAIL,USERNAME\n", "header_invalid"),
            (&vec![b'x'; 64 * 1024], "header_invalid"),
        ] {
            assert_eq!(code(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_character_cut_by_the_end_of_the_head_is_valid() {
        let head = [TITLES.as_bytes(), b"\n\xc3"].concat();
        assert!(inspect_spigit(&head, false, RecordLimits::default()).is_ok());
        assert!(inspect_spigit(&head, true, RecordLimits::default()).is_err());
    }
}
