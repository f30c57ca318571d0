//! The values of a record.

use std::borrow::Cow;

/// Where a value is in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where the value starts, after its opening quote if it is quoted.
    pub(super) start: usize,
    /// Where it ends, before its closing quote.
    pub(super) end: usize,
    /// Whether it has doubled quotes, each of which stands for one.
    pub(super) has_doubled_quotes: bool,
}

impl Cell {
    /// The value, in the text that its record starts.
    pub(super) fn value(self, record: &[u8]) -> Cow<'_, [u8]> {
        let bytes = &record[self.start..self.end];
        if self.has_doubled_quotes { Cow::Owned(undouble_quotes(bytes)) } else { Cow::Borrowed(bytes) }
    }

    /// The value, in its record as UTF-8.
    pub(super) fn value_in(self, record: &str) -> Option<Cow<'_, str>> {
        let text = record.get(self.start..self.end)?;
        Some(if self.has_doubled_quotes { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) })
    }
}

fn undouble_quotes(inner: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        value.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    value.extend_from_slice(rest);
    value
}

/// Whether all values are empty or have only white space and invisible characters.
pub(super) fn are_blank(cells: &[Cell], record: &[u8]) -> bool {
    cells.iter().all(|cell| !cell.has_doubled_quotes && is_blank(&record[cell.start..cell.end]))
}

fn is_blank(value: &[u8]) -> bool {
    match value.first() {
        None => true,
        Some(b'!'..=b'~') => false,
        Some(_) => std::str::from_utf8(value)
            .is_ok_and(|text| text.chars().all(|c| c.is_whitespace() || crate::invisible::is_invisible(c))),
    }
}

/// The minimum number of known titles in a line of titles.
const MIN_TITLES: usize = 3;

/// Whether the values are titles: at least three are known ones, and more than half of those that are not empty.
pub(super) fn are_titles(cells: &[Cell], record: &[u8], is_title: fn(&str) -> bool) -> bool {
    let end = cells.last().map_or(0, |cell| cell.end);
    // Quick for nearly every row: titles have no such sign, addresses do.
    if cells.len() < MIN_TITLES || memchr::memchr(b'@', &record[..end]).is_some() {
        return false;
    }
    let (mut known, mut unknown) = (0, 0);
    for cell in cells {
        let value = cell.value(record);
        let Ok(text) = std::str::from_utf8(&value) else { return false };
        match text.trim() {
            "" => {}
            title if is_title(title) => known += 1,
            _ => unknown += 1,
        }
        // The first titles of a line are known ones, so that most rows are decided by their first values.
        if known == 0 && unknown == MIN_TITLES {
            return false;
        }
    }
    known >= MIN_TITLES && known > unknown
}
