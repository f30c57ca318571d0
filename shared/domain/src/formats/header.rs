//! The title line of a Spigit file, which maps its columns to fields.

use crate::field::{FIELDS, Field};
use crate::{key, text};

/// Maximum number of columns in a file.
pub const MAX_COLUMNS: usize = 200;
/// Maximum length of a title in characters.
pub const MAX_TITLE_CHARS: usize = 64;

/// Titles of password columns. They would be stored as attributes, readable by everybody with a token.
const PASSWORD_TITLES: [&str; 4] = ["password", "passwd", "pwd", "password_hash"];

/// Where the values of a column are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// In a field.
    Field(Field),
    /// In a profile attribute named by the title, which is not the title of a field.
    Attribute,
}

/// The checked titles of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    titles: Vec<String>,
    columns: Vec<Column>,
}

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A required title is absent.
    #[error("the required column {0} is missing; the first line must name the columns, separated by commas")]
    ColumnMissing(&'static str),
    /// The titles seem to be separated by a character other than a comma.
    #[error("the values seem to be separated by {0}; expected commas")]
    DelimiterSuspected(&'static str),
    /// The first line is a spreadsheet's `sep=` line.
    #[error("the first line is `sep=`, which is for spreadsheets; remove it: the first line must name the columns")]
    SeparatorLine,
    /// The file contains passwords, which would be stored in clear text.
    #[error("column {0} holds passwords, which are not accepted; remove it")]
    PasswordColumn(usize),
    /// Two titles have the same folded form.
    #[error("columns {0} and {1} have the same title")]
    ColumnDuplicate(usize, usize),
    /// A title is empty.
    #[error("column {0} has no title")]
    TitleEmpty(usize),
    /// A title is longer than [`MAX_TITLE_CHARS`].
    #[error("the title of column {0} is longer than {MAX_TITLE_CHARS} characters")]
    TitleTooLong(usize),
    /// A title contains an invisible character.
    #[error("the title of column {0} has the invisible character U+{1:04X}")]
    TitleInvisible(usize, u32),
    /// A title is not UTF-8.
    #[error("the title of column {0} is not UTF-8")]
    TitleNotUtf8(usize),
    /// More than [`MAX_COLUMNS`] titles.
    #[error("the header has {0} columns; at most {MAX_COLUMNS} are allowed")]
    TooManyColumns(usize),
}

impl Header {
    /// Checks the titles of a Spigit file.
    pub fn parse<'a>(titles: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, HeaderError> {
        let titles: Vec<&[u8]> = titles.into_iter().collect();
        if titles.len() <= 2 && titles.iter().take(1).any(|title| is_separator_line(title)) {
            return Err(HeaderError::SeparatorLine);
        }
        check_delimiter(&titles)?;
        let titles = titles
            .into_iter()
            .enumerate()
            .map(|(i, title)| check_title(i + 1, title))
            .collect::<Result<Vec<_>, _>>()?;
        if titles.len() > MAX_COLUMNS {
            return Err(HeaderError::TooManyColumns(titles.len()));
        }
        check_duplicates(&titles)?;
        if let Some(position) = titles.iter().position(|title| PASSWORD_TITLES.contains(&key::fold(title).as_str())) {
            return Err(HeaderError::PasswordColumn(position + 1));
        }
        let header = Self::from_titles(titles);
        match FIELDS.iter().find(|spec| spec.required && header.position(spec.field).is_none()) {
            Some(spec) => Err(HeaderError::ColumnMissing(spec.spigit_title)),
            None => Ok(header),
        }
    }

    /// Creates a header from titles that passed [`parse`](Self::parse) before and were stored with the job.
    pub fn from_titles(titles: Vec<String>) -> Self {
        let columns = titles
            .iter()
            .map(|title| Field::from_spigit_title(title).map_or(Column::Attribute, Column::Field))
            .collect();
        Self { titles, columns }
    }

    /// The titles, trimmed, in the order of the file.
    pub fn titles(&self) -> &[String] {
        &self.titles
    }

    /// Where the values of each column are stored.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The position of a field's column.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.columns.iter().position(|column| *column == Column::Field(field))
    }
}

/// Whether this is the `sep=` line by which a file tells Excel its separator.
fn is_separator_line(title: &[u8]) -> bool {
    title.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep="))
}

fn check_title(number: usize, bytes: &[u8]) -> Result<String, HeaderError> {
    let text = std::str::from_utf8(bytes).map_err(|_| HeaderError::TitleNotUtf8(number))?.trim();
    if text.is_empty() {
        return Err(HeaderError::TitleEmpty(number));
    }
    if text.chars().count() > MAX_TITLE_CHARS {
        return Err(HeaderError::TitleTooLong(number));
    }
    match text.chars().find(|c| is_invisible(*c)) {
        Some(c) => Err(HeaderError::TitleInvisible(number, u32::from(c))),
        None => Ok(text.to_owned()),
    }
}

/// Whether this character could make two different titles look the same.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || key::is_zero_width(c)
        || text::is_direction_mark(c)
        || text::is_noncharacter(c)
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{180E}' | '\u{2061}'..='\u{2064}')
        || (c.is_whitespace() && c != ' ')
}

/// Fails if the line has no comma, and a known title between other separators.
fn check_delimiter(titles: &[&[u8]]) -> Result<(), HeaderError> {
    let [only] = titles else { return Ok(()) };
    let only = String::from_utf8_lossy(only);
    for (delimiter, name) in [(';', "semicolons"), ('\t', "tabs"), ('|', "vertical bars")] {
        if only.split(delimiter).any(|part| Field::from_spigit_title(part.trim()).is_some()) && only.contains(delimiter)
        {
            return Err(HeaderError::DelimiterSuspected(name));
        }
    }
    Ok(())
}

fn check_duplicates(titles: &[String]) -> Result<(), HeaderError> {
    let mut seen = std::collections::HashMap::new();
    for (position, title) in titles.iter().enumerate() {
        if let Some(first) = seen.insert(key::fold(title), position) {
            return Err(HeaderError::ColumnDuplicate(first + 1, position + 1));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Header, HeaderError> {
        Header::parse(line.split(',').map(str::as_bytes))
    }

    #[test]
    fn titles_match_regardless_of_order_case_and_spaces() {
        let header = parse(" last_nm ,First_NM,x,USERNAME,email").unwrap();
        assert_eq!(header.position(Field::Email), Some(4));
        assert_eq!(header.position(Field::LastName), Some(0));
        assert_eq!(header.columns()[2], Column::Attribute);
        assert_eq!(Header::from_titles(header.titles().to_vec()), header);
    }

    const CORE: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

    #[test]
    fn each_error_in_a_header_has_its_own_variant() {
        use HeaderError as E;
        for (line, expected) in [
            ("USERNAME,FIRST_NM,LAST_NM", E::ColumnMissing("EMAIL")),
            ("EMAIL,USERNAME,FIRST_NM", E::ColumnMissing("LAST_NM")),
            ("a@x,u,First,Last", E::ColumnMissing("EMAIL")),
            (&format!("{CORE},Email "), E::ColumnDuplicate(1, 5)),
            (&format!("{CORE},x, X"), E::ColumnDuplicate(5, 6)),
            (&format!("{CORE},caf\u{e9},cafe\u{301}"), E::ColumnDuplicate(5, 6)),
            ("EMAIL,,USERNAME,FIRST_NM,LAST_NM", E::TitleEmpty(2)),
            (&format!("{CORE},"), E::TitleEmpty(5)),
            (&format!("{CORE}, \u{a0}"), E::TitleEmpty(5)),
            (&vec!["a"; 201].join(","), E::TooManyColumns(201)),
            (&vec!["a"; 5000].join(","), E::TooManyColumns(5000)),
            (&format!("{CORE},{}", "x".repeat(65)), E::TitleTooLong(5)),
            ("sep=;", E::SeparatorLine),
            ("SEP=,", E::SeparatorLine),
            (&format!("{CORE},Password"), E::PasswordColumn(5)),
            (&format!("password_hash,{CORE}"), E::PasswordColumn(1)),
            ("EMAIL;USERNAME;FIRST_NM;LAST_NM", E::DelimiterSuspected("semicolons")),
            ("EMAIL\tUSERNAME\tFIRST_NM\tLAST_NM", E::DelimiterSuspected("tabs")),
            ("x | email | USERNAME", E::DelimiterSuspected("vertical bars")),
            (&format!("{CORE};{}", "x;".repeat(50)).replace(',', ";"), E::DelimiterSuspected("semicolons")),
        ] {
            assert_eq!(parse(line), Err(expected), "{line}");
        }
        assert_eq!(Header::parse([b"\xff".as_slice()]), Err(E::TitleNotUtf8(1)));
    }

    #[test]
    fn invisible_characters_in_a_title_are_reported() {
        for c in [
            '\u{a0}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{202e}', '\u{2066}', '\u{200e}', '\u{180e}', '\u{7}',
            '\u{fffe}',
        ] {
            let line = format!("{CORE},bad{c}ge");
            assert_eq!(parse(&line), Err(HeaderError::TitleInvisible(5, u32::from(c))), "{line:?}");
        }
        assert!(parse(&format!("\u{a0}{CORE}\u{2003}")).is_ok(), "white space around a title is removed");
    }

    /// Only the titles in `FIELDS` are mapped to fields.
    #[test]
    fn the_names_of_internal_columns_are_ordinary_attributes() {
        let header = parse(&format!("{CORE},tenant_id,id,created_at,is_system,role_id,tenant,version_job,attributes"));
        assert!(header.unwrap().columns()[4..].iter().all(|column| *column == Column::Attribute));
    }
}
