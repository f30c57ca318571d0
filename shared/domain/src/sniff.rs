//! What the first bytes of an upload tell before it is accepted.

use crate::header::{Header, HeaderError};
use crate::record::{RecordError, RecordLimits, RecordScanner, Scan};

/// How many bytes of an upload are looked at before it is accepted.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Why an upload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing but white space.
    #[error("the file is empty")]
    FileEmpty,
    /// The bytes are those of another kind of file.
    #[error("the file is {0}; expected CSV text")]
    NotCsv(&'static str),
    /// The text is UTF-16 or UTF-32.
    #[error("the file is {0}; expected UTF-8")]
    EncodingUtf16(&'static str),
    /// The text is in some other encoding.
    #[error("the file is not UTF-8: byte {0} cannot be read")]
    Utf8Invalid(usize),
    /// The title line is not usable.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The title line does not end.
    #[error("the header cannot be read: {0}")]
    HeaderUnreadable(#[from] RecordError),
    /// The title line does not end within [`HEAD_BYTES`].
    #[error("the header does not end within the first 64 KiB")]
    HeaderTooLong,
}

impl Refusal {
    /// The stable code, for metrics and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::FileEmpty => "file_empty",
            Self::NotCsv(_) => "not_csv",
            Self::EncodingUtf16(_) => "encoding_utf16",
            Self::Utf8Invalid(_) => "utf8_invalid",
            Self::Header(error) => match error {
                HeaderError::ColumnMissing(_) => "column_missing",
                HeaderError::DelimiterSuspected(_) => "delimiter_suspected",
                HeaderError::ColumnDuplicate(..) => "column_duplicate",
                HeaderError::TooManyColumns(_) => "too_many_columns",
                _ => "header_invalid",
            },
            Self::HeaderUnreadable(_) | Self::HeaderTooLong => "header_invalid",
        }
    }
}

/// Looks at the first bytes of a Spigit file, decompressed. `complete` says that there are no more.
pub fn inspect_spigit(head: &[u8], complete: bool, limits: RecordLimits) -> Result<Header, Refusal> {
    recognise(head)?;
    check_utf8(head, complete)?;
    let text = strip_bom(head);
    if text.iter().all(u8::is_ascii_whitespace) && complete {
        return Err(Refusal::FileEmpty);
    }
    let mut scanner = RecordScanner::new(b',', limits, 1);
    match scanner.scan(text, complete)? {
        Scan::Record(_) => {
            let titles = (0..scanner.field_count()).filter_map(|index| scanner.field(index));
            Ok(Header::parse(titles)?)
        }
        Scan::End => Err(Refusal::FileEmpty),
        Scan::NeedInput => Err(Refusal::HeaderTooLong),
    }
}

/// The text without its byte order mark.
pub fn strip_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Kinds of files that people upload by mistake, by their first bytes.
const MAGIC: [(&[u8], &str); 9] = [
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"\x1f\x8b", "gzip data without Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd data without Content-Encoding: zstd"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "a program"),
];

fn recognise(head: &[u8]) -> Result<(), Refusal> {
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Refusal::NotCsv(kind));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.starts_with(b"\0\0\xfe\xff") {
        return Err(Refusal::EncodingUtf16("UTF-16 or UTF-32"));
    }
    let start: Vec<u8> =
        head.iter().skip_while(|b| b.is_ascii_whitespace()).take(14).map(u8::to_ascii_lowercase).collect();
    if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
        return Err(Refusal::NotCsv("an HTML page"));
    }
    let zeros = head.iter().take(512).filter(|b| **b == 0).count();
    if zeros > 0 && zeros * 3 >= head.len().min(512) {
        return Err(Refusal::EncodingUtf16("UTF-16 without a byte order mark"));
    }
    if zeros > 0 {
        return Err(Refusal::NotCsv("binary data"));
    }
    Ok(())
}

fn check_utf8(head: &[u8], complete: bool) -> Result<(), Refusal> {
    match std::str::from_utf8(head) {
        Ok(_) => Ok(()),
        // A character may be cut by the end of the head, but not by the end of the file.
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
    fn usable_files_pass() {
        for text in [TITLES.to_owned(), format!("\u{feff}{TITLES}\r\na,b,c,d"), format!("\n\"EMAIL\",{}", &TITLES[6..])]
        {
            assert_eq!(code(text.as_bytes()), "ok", "{text:?}");
        }
    }

    #[test]
    fn unusable_files_are_refused_with_their_code() {
        let utf16: Vec<u8> = TITLES.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bad_utf8 = [TITLES.as_bytes(), b"\n\xc4\xe8,x,y,z"].concat();
        for (head, expected) in [
            (b"".as_slice(), "file_empty"),
            (b"\xef\xbb\xbf", "file_empty"),
            (b"\n \r\n", "file_empty"),
            (b"\x89PNG\r\n\x1a\n\0\0", "not_csv"),
            (b"PK\x03\x04rest", "not_csv"),
            (b" <!DOCTYPE html><html>", "not_csv"),
            (b"\x1f\x8b\x08", "not_csv"),
            (b"\xff\xfeE\0M\0", "encoding_utf16"),
            (&utf16, "encoding_utf16"),
            (&bad_utf8, "utf8_invalid"),
            (b"USERNAME,FIRST_NM,LAST_NM\n", "column_missing"),
            (b"EMAIL;USERNAME;FIRST_NM;LAST_NM\n", "delimiter_suspected"),
            (b"\"EMAIL,USERNAME\n", "header_invalid"),
        ] {
            assert_eq!(code(head), expected, "{:?}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_character_cut_by_the_end_of_the_head_is_no_fault() {
        let head = [TITLES.as_bytes(), b"\n\xc3"].concat();
        assert!(inspect_spigit(&head, false, RecordLimits::default()).is_ok());
        assert!(inspect_spigit(&head, true, RecordLimits::default()).is_err());
    }
}
