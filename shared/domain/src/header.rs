//! The title line of a Spigit file: which column holds which field.

use crate::field::{FIELDS, Field};
use crate::{key, text};

/// Columns of one file at most.
pub const MAX_COLUMNS: usize = 200;
/// Characters of a title at most.
pub const MAX_TITLE: usize = 64;

/// Titles of columns that would be kept as attributes, readable by everybody with a token.
const PASSWORDS: [&str; 4] = ["password", "passwd", "pwd", "password_hash"];

/// Where the values of a column go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// A field with a typed column.
    Field(Field),
    /// A named profile attribute: any title that is not a field's.
    Attribute,
}

/// The checked titles of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    titles: Vec<String>,
    columns: Vec<Column>,
}

/// Why a header is refused; the text says what was expected and what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A required title is not there.
    #[error("the required column {0} is missing; the first line must name the columns, separated by commas")]
    ColumnMissing(&'static str),
    /// The titles seem to be separated by another character than a comma.
    #[error("the values seem to be separated by {0}; expected commas")]
    DelimiterSuspected(&'static str),
    /// The first line tells a spreadsheet how the values are separated.
    #[error("the first line is `sep=`, which is for spreadsheets; remove it: the first line must name the columns")]
    SeparatorLine,
    /// The file has passwords, which would be kept in the clear.
    #[error("column {0} holds passwords, which are not taken; remove it")]
    PasswordColumn(usize),
    /// Two titles are the same but for case and blanks.
    #[error("columns {0} and {1} have the same title")]
    ColumnDuplicate(usize, usize),
    /// A title is empty.
    #[error("column {0} has no title")]
    TitleEmpty(usize),
    /// A title is longer than [`MAX_TITLE`].
    #[error("the title of column {0} is longer than {MAX_TITLE} characters")]
    TitleTooLong(usize),
    /// A title has a character that cannot be seen.
    #[error("the title of column {0} has the invisible character U+{1:04X}")]
    TitleInvisible(usize, u32),
    /// A title is not UTF-8.
    #[error("the title of column {0} is not UTF-8")]
    TitleEncoding(usize),
    /// More than [`MAX_COLUMNS`] titles.
    #[error("the header has {0} columns; at most {MAX_COLUMNS} are read")]
    TooManyColumns(usize),
}

impl Header {
    /// Checks the titles of a Spigit file.
    pub fn parse<'a>(titles: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, HeaderError> {
        let titles: Vec<&[u8]> = titles.into_iter().collect();
        if titles.len() <= 2 && titles.iter().take(1).any(|title| is_separator_line(title)) {
            return Err(HeaderError::SeparatorLine);
        }
        suspect_delimiter(&titles)?;
        let titles = titles.into_iter().enumerate().map(|(i, t)| title(i + 1, t)).collect::<Result<Vec<_>, _>>()?;
        if titles.len() > MAX_COLUMNS {
            return Err(HeaderError::TooManyColumns(titles.len()));
        }
        refuse_duplicates(&titles)?;
        if let Some(position) = titles.iter().position(|title| PASSWORDS.contains(&key::fold(title).as_str())) {
            return Err(HeaderError::PasswordColumn(position + 1));
        }
        let header = Self::from_titles(titles);
        match FIELDS.iter().find(|spec| spec.required && header.position(spec.field).is_none()) {
            Some(spec) => Err(HeaderError::ColumnMissing(spec.spigit_title)),
            None => Ok(header),
        }
    }

    /// The header of titles that were checked before, as kept in the job.
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

    /// Where the values of each column go.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The position of a field's column.
    pub fn position(&self, field: Field) -> Option<usize> {
        self.columns.iter().position(|column| *column == Column::Field(field))
    }
}

/// Excel's way to tell itself how values are separated.
fn is_separator_line(title: &[u8]) -> bool {
    title.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"sep="))
}

fn title(number: usize, bytes: &[u8]) -> Result<String, HeaderError> {
    let text = std::str::from_utf8(bytes).map_err(|_| HeaderError::TitleEncoding(number))?.trim();
    if text.is_empty() {
        return Err(HeaderError::TitleEmpty(number));
    }
    if text.chars().count() > MAX_TITLE {
        return Err(HeaderError::TitleTooLong(number));
    }
    match text.chars().find(|c| is_invisible(*c)) {
        Some(c) => Err(HeaderError::TitleInvisible(number, u32::from(c))),
        None => Ok(text.to_owned()),
    }
}

/// Characters that make two titles look the same, or one look like another.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || key::is_zero_width(c)
        || text::is_direction_mark(c)
        || text::is_no_character(c)
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{180E}' | '\u{2061}'..='\u{2064}')
        || (c.is_whitespace() && c != ' ')
}

/// A line without a comma that has a known title between other separators.
fn suspect_delimiter(titles: &[&[u8]]) -> Result<(), HeaderError> {
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

fn refuse_duplicates(titles: &[String]) -> Result<(), HeaderError> {
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
    fn titles_match_whatever_their_order_case_and_blanks() {
        let header = parse(" last_nm ,First_NM,x,USERNAME,email").unwrap();
        assert_eq!(header.position(Field::Email), Some(4));
        assert_eq!(header.position(Field::LastName), Some(0));
        assert_eq!(header.columns()[2], Column::Attribute);
        assert_eq!(Header::from_titles(header.titles().to_vec()), header);
    }

    const CORE: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

    #[test]
    fn each_fault_is_named() {
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
        assert_eq!(Header::parse([b"\xff".as_slice()]), Err(E::TitleEncoding(1)));
    }

    #[test]
    fn characters_that_cannot_be_seen_are_named() {
        for c in [
            '\u{a0}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{202e}', '\u{2066}', '\u{200e}', '\u{180e}', '\u{7}',
            '\u{fffe}',
        ] {
            let line = format!("{CORE},bad{c}ge");
            assert_eq!(parse(&line), Err(HeaderError::TitleInvisible(5, u32::from(c))), "{line:?}");
        }
        assert!(parse(&format!("\u{a0}{CORE}\u{2003}")).is_ok(), "blanks around a title are removed");
    }

    /// Nothing but the titles of the table reaches a column of its own.
    #[test]
    fn names_of_internal_columns_are_attributes_like_others() {
        let header = parse(&format!("{CORE},tenant_id,id,created_at,is_system,role_id,tenant,version_job,attributes"));
        assert!(header.unwrap().columns()[4..].iter().all(|column| *column == Column::Attribute));
    }
}
