//! How a file is read as a whole: its dialect, format, charset and handling.

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

/// The API through which a file was uploaded; it decides the row rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// The Spigit bulk API.
    Spigit,
    /// The users-import API of the Collaborator LMS.
    Collaborator,
}

impl Dialect {
    /// The dialect as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spigit => "spigit",
            Self::Collaborator => "collaborator",
        }
    }

    /// Parses a dialect that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Spigit, Self::Collaborator].into_iter().find(|dialect| dialect.as_str() == text)
    }
}

/// The format of the records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Values separated by commas or semicolons, depending on the dialect.
    Csv,
    /// A JSON array of objects.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// A sheet of an Excel workbook, which is read as CSV text with [marks](crate::workbook_cell).
    Workbook,
}

impl Format {
    const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::JsonLines, Self::Workbook];

    /// The format as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::JsonLines => "ndjson",
            Self::Workbook => "xlsx",
        }
    }

    /// Parses a format that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }
}

/// How the bytes of an upload are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Identity,
    /// Gzip, one member or several (RFC 1952).
    Gzip,
    /// Zstandard, one frame or several (RFC 8878).
    Zstd,
    /// The only file in a ZIP archive.
    Zip,
}

impl Compression {
    /// The compression as text, as in `Content-Encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
        }
    }

    /// Parses a compression that was stored as text.
    pub fn parse_stored(text: &str) -> Option<Self> {
        if text == Self::Zip.as_str() { Some(Self::Zip) } else { Self::parse(text) }
    }

    /// Reads a value of `Content-Encoding`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The character encoding of a file: one of the WHATWG Encoding Standard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8, with or without a byte order mark.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
    /// The Cyrillic code page of Windows.
    pub const WINDOWS_1251: Self = Self(encoding_rs::WINDOWS_1251);
    /// The Western code page of Windows.
    pub const WINDOWS_1252: Self = Self(encoding_rs::WINDOWS_1252);

    /// The charset that a label such as `utf-8`, `latin1` or `cp1251` stands for; `None` if there is no such label, or if
    /// text cannot be read in it.
    pub fn parse(label: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(label.as_bytes()).map(Self)
    }

    /// The charset that a text with this byte order mark has.
    pub fn of_mark(start: &[u8]) -> Option<Self> {
        Encoding::for_bom(start).map(|(encoding, _)| Self(encoding))
    }

    /// Whether it is UTF-16, whose bytes are mostly no ASCII.
    pub fn is_utf_16(self) -> bool {
        self.0 == encoding_rs::UTF_16LE || self.0 == encoding_rs::UTF_16BE
    }

    /// The name of the charset in lower case.
    pub fn as_str(self) -> String {
        self.0.name().to_ascii_lowercase()
    }

    /// The decoder and encoder.
    pub const fn encoding(self) -> &'static Encoding {
        self.0
    }
}

impl std::fmt::Debug for Charset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

/// How the charset of a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CharsetSource {
    /// By its byte order mark.
    Mark,
    /// The text is UTF-8.
    Content,
    /// The client declared it in a header.
    Header,
    /// It is the setting of the tenant.
    Tenant,
    /// By what the text looks like.
    Guess,
}

impl CharsetSource {
    const ALL: [Self; 5] = [Self::Mark, Self::Content, Self::Header, Self::Tenant, Self::Guess];

    /// The source as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mark => "bom",
            Self::Content => "content",
            Self::Header => "header",
            Self::Tenant => "tenant",
            Self::Guess => "guess",
        }
    }

    /// Parses a source that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == text)
    }
}

/// Where the rows of a file start, in its decoded text without a byte order mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsStart {
    /// The offset in bytes.
    pub offset: u64,
    /// The physical line, counted from 1.
    pub line: u64,
    /// How many lines above the titles, or above the first row if there are none, were skipped.
    pub skipped_lines: u64,
    /// How many of the rows above them were blank.
    pub blank_rows: u64,
}

impl Default for RowsStart {
    fn default() -> Self {
        Self { offset: 0, line: 1, skipped_lines: 0, blank_rows: 0 }
    }
}

/// How rows with too few values and invalid optional values are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// The row fails.
    Strict,
    /// Missing trailing values are taken as empty. An invalid optional value is skipped and counted as a warning.
    Lenient,
}

impl Handling {
    /// The handling as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Lenient => "lenient",
        }
    }

    /// Parses a handling.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "strict" => Some(Self::Strict),
            "lenient" => Some(Self::Lenient),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back_to_their_values() {
        for handling in [Handling::Strict, Handling::Lenient] {
            assert_eq!(Handling::parse(handling.as_str()), Some(handling));
        }
        for dialect in [Dialect::Spigit, Dialect::Collaborator] {
            assert_eq!(Dialect::parse(dialect.as_str()), Some(dialect));
        }
        for format in Format::ALL {
            assert_eq!(Format::parse(format.as_str()), Some(format));
        }
        for charset in [Charset::UTF_8, Charset::WINDOWS_1251, Charset::WINDOWS_1252] {
            assert_eq!(Charset::parse(&charset.as_str()), Some(charset));
        }
        for source in CharsetSource::ALL {
            assert_eq!(CharsetSource::parse(source.as_str()), Some(source));
        }
    }

    #[test]
    fn charsets_are_known_by_their_labels() {
        for (label, name) in [
            ("UTF8", Some("utf-8")),
            ("us-ascii", Some("windows-1252")),
            ("ISO-8859-1", Some("windows-1252")),
            ("cp1251", Some("windows-1251")),
            ("utf-16", Some("utf-16le")),
            ("hz-gb-2312", None),
            ("klingon", None),
        ] {
            assert_eq!(Charset::parse(label).map(Charset::as_str).as_deref(), name, "{label}");
        }
    }
}
