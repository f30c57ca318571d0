//! Recognizes files that are not CSV text by their first bytes.

use super::sniff::Refusal;

/// The first bytes of file types that people upload by mistake.
const MAGIC: [(&[u8], &str); 12] = [
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "gzip data without Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd data without Content-Encoding: zstd"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "an executable program"),
    (b"{\\rtf", "an RTF document"),
];

/// The first bytes of workbooks that Muster does not read, in lower case where they are text.
const WORKBOOKS: [(&[u8], &str); 3] = [
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook, a workbook with a password or a Word document"),
    (b"<?xml", "an XML file, such as an XML spreadsheet"),
    (b"<workbook", "an XML spreadsheet"),
];

/// The first words of text files of other types, in lower case.
const FIRST_WORDS: [(&str, &str); 2] = [("<!doctype html", "an HTML page"), ("<html", "an HTML page")];

/// How many bytes are searched for zeros.
const ZERO_SEARCH_BYTES: usize = 512;

/// A file is binary if more than this number of its first bytes, and more than 1 %, are control characters.
const MAX_CONTROL_BYTES: usize = 64;

/// The minimum length of a first line that may be base64.
const MIN_BASE64_BYTES: usize = 40;

/// Refuses a file that is not CSV text, by its first bytes.
pub fn refuse_other_types(head: &[u8]) -> Result<(), Refusal> {
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Refusal::NotCsv(kind));
    }
    if let Some((_, kind)) = WORKBOOKS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Refusal::Workbook(kind));
    }
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
        return Err(Refusal::CharsetUtf16("UTF-32"));
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Ok(());
    }
    refuse_words(head)?;
    refuse_zeros(head)
}

fn refuse_words(head: &[u8]) -> Result<(), Refusal> {
    let text = super::sniff::strip_bom(head).trim_ascii_start();
    let start: Vec<u8> = text.iter().take(16).map(u8::to_ascii_lowercase).collect();
    if let Some((_, kind)) = FIRST_WORDS.iter().find(|(word, _)| start.starts_with(word.as_bytes())) {
        return Err(Refusal::NotCsv(kind));
    }
    if let Some((_, kind)) = WORKBOOKS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Err(Refusal::Workbook(kind));
    }
    if matches!(text.first(), Some(b'[' | b'{')) {
        return Err(Refusal::JsonText);
    }
    let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    if line.len() >= MIN_BASE64_BYTES && line.len() % 4 == 0 && line.iter().all(is_base64) {
        return Err(Refusal::NotCsv("base64"));
    }
    Ok(())
}

fn refuse_zeros(head: &[u8]) -> Result<(), Refusal> {
    let text_end = head.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = &head[..text_end];
    let start = &head[..head.len().min(ZERO_SEARCH_BYTES)];
    let zeros = memchr::memchr_iter(0, start).count();
    if !text.contains(&0) && text_end < head.len() {
        return Err(Refusal::NulPadding);
    }
    if zeros > 0 && zeros * 3 >= start.len() {
        return Err(Refusal::CharsetUtf16("UTF-16 without a byte order mark"));
    }
    let is_control = |byte: &&u8| **byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n' | 0x0b | 0x0c);
    let controls = head.iter().filter(is_control).count();
    if controls > MAX_CONTROL_BYTES && controls * 100 > head.len() {
        return Err(Refusal::NotCsv("binary data"));
    }
    Ok(())
}
