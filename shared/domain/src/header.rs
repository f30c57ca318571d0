//! The title line of a Spigit file: which column holds which field.

use crate::field::{FIELDS, Field};
use crate::key;

/// Columns of one file at most.
pub const MAX_COLUMNS: usize = 200;
/// Characters of a title at most.
pub const MAX_TITLE: usize = 64;

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
        let titles = titles.into_iter().enumerate().map(|(i, t)| title(i + 1, t)).collect::<Result<Vec<_>, _>>()?;
        if titles.len() > MAX_COLUMNS {
            return Err(HeaderError::TooManyColumns(titles.len()));
        }
        suspect_delimiter(&titles)?;
        refuse_duplicates(&titles)?;
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

fn title(number: usize, bytes: &[u8]) -> Result<String, HeaderError> {
    let text = std::str::from_utf8(bytes).map_err(|_| HeaderError::TitleEncoding(number))?.trim();
    if text.is_empty() {
        return Err(HeaderError::TitleEmpty(number));
    }
    if text.chars().count() > MAX_TITLE {
        return Err(HeaderError::TitleTooLong(number));
    }
    let invisible = |c: &char| c.is_control() || key::is_zero_width(*c) || (c.is_whitespace() && *c != ' ');
    match text.chars().find(invisible) {
        Some(c) => Err(HeaderError::TitleInvisible(number, u32::from(c))),
        None => Ok(text.to_owned()),
    }
}

fn suspect_delimiter(titles: &[String]) -> Result<(), HeaderError> {
    let [only] = titles else { return Ok(()) };
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

    #[test]
    fn each_fault_is_named() {
        assert_eq!(parse("USERNAME,FIRST_NM,LAST_NM"), Err(HeaderError::ColumnMissing("EMAIL")));
        assert_eq!(parse("EMAIL,USERNAME,FIRST_NM,LAST_NM,Email "), Err(HeaderError::ColumnDuplicate(1, 5)));
        assert_eq!(parse("EMAIL,,USERNAME,FIRST_NM,LAST_NM"), Err(HeaderError::TitleEmpty(2)));
        assert_eq!(parse("EMAIL,US\u{200b}ERNAME"), Err(HeaderError::TitleInvisible(2, 0x200b)));
        assert_eq!(parse("EMAIL;USERNAME;FIRST_NM;LAST_NM"), Err(HeaderError::DelimiterSuspected("semicolons")));
        assert_eq!(parse(&vec!["a"; 201].join(",")), Err(HeaderError::TooManyColumns(201)));
        assert_eq!(parse(&format!("EMAIL,{}", "x".repeat(65))), Err(HeaderError::TitleTooLong(2)));
        assert_eq!(Header::parse([b"\xff".as_slice()]), Err(HeaderError::TitleEncoding(1)));
    }
}
