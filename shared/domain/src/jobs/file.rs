//! How a file is read as a whole: its dialect, format, charset and handling.

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
}

impl Format {
    /// The format as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// Parses a format that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Csv, Self::Json].into_iter().find(|format| format.as_str() == text)
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
}

impl Compression {
    /// The compression as text, as in `Content-Encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Reads a value of `Content-Encoding`, or what [`Compression::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The character encoding of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charset {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Little-endian UTF-16 with a byte order mark.
    Utf16Le,
    /// Big-endian UTF-16 with a byte order mark.
    Utf16Be,
    /// The Cyrillic code page of Windows.
    Windows1251,
}

impl Charset {
    const ALL: [Self; 4] = [Self::Utf8, Self::Utf16Le, Self::Utf16Be, Self::Windows1251];

    /// The registered name of the charset.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Windows1251 => "windows-1251",
        }
    }

    /// Parses a charset that was stored as text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|charset| charset.as_str() == text)
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
        for format in [Format::Csv, Format::Json] {
            assert_eq!(Format::parse(format.as_str()), Some(format));
        }
        for charset in Charset::ALL {
            assert_eq!(Charset::parse(charset.as_str()), Some(charset));
        }
    }
}
