//! The title line of a Spigit file, which maps its columns to fields.

use super::similar::similar_field;
use crate::field::{FIELDS, Field, FieldSpec};
use crate::{invisible, key, text, workbook_cell};

/// Maximum number of columns in a file.
pub const MAX_COLUMNS: usize = 200;
/// Maximum length of a title in characters.
pub const MAX_TITLE_CHARS: usize = 64;

/// Titles of password columns. They would be stored as attributes, readable by everybody with a token.
pub(crate) const PASSWORD_TITLES: [&str; 4] = ["password", "passwd", "pwd", "password_hash"];

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

/// Why a header is refused. A message never repeats a title: what stands there may be the first user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Required titles are absent.
    #[error("{}", describe_missing(.0))]
    ColumnMissing(Vec<MissingColumn>),
    /// The values seem to be separated by other characters than expected.
    #[error("the values seem to be separated by {0}; expected {1}")]
    DelimiterSuspected(&'static str, &'static str),
    /// The first line is a spreadsheet's `sep=` line.
    #[error("the first line is `sep=`, which is for spreadsheets; remove it: the first line must name the columns")]
    SeparatorLine,
    /// The file contains passwords, which would be stored in clear text.
    #[error("column {0} holds passwords, which are not accepted; remove it")]
    PasswordColumn(usize),
    /// Two titles have the same folded form.
    #[error("columns {0} and {1} have the same title")]
    ColumnDuplicate(usize, usize),
    /// A title before the last one is empty.
    #[error("column {0} has no title; line 1 must be the titles, without a heading above them")]
    TitleEmpty(usize),
    /// A title is longer than [`MAX_TITLE_CHARS`].
    #[error("the title of column {0} is longer than {MAX_TITLE_CHARS} characters")]
    TitleTooLong(usize),
    /// A title of a workbook is a date, a truth value or an error.
    #[error("the title of column {0} is not text; format the cell as text and enter the title again")]
    TitleNotText(usize),
    /// A title contains an invisible character.
    #[error("the title of column {0} has the invisible character U+{1:04X}")]
    TitleInvisible(usize, u32),
    /// A title is not UTF-8.
    #[error("the title of column {0} is not UTF-8")]
    TitleNotUtf8(usize),
    /// More than [`MAX_COLUMNS`] titles.
    #[error("the header has {0} columns; at most {MAX_COLUMNS} are allowed")]
    TooManyColumns(usize),
    /// The quotes of the title line are wrong.
    #[error("the title line has a quote that is not closed or not at the start of a title")]
    QuotesInvalid,
    /// Each line as a whole is one quoted value.
    #[error("each line is quoted as a whole, so that it is one value; quote each value, or none")]
    LinesQuoted,
    /// The titles are enclosed in single quotes.
    #[error("the titles are enclosed in single quotes; use double quotes, or none")]
    SingleQuotes,
    /// The file has no line ends, so that titles and users are one line.
    #[error(
        "the whole file is one line: its line ends were lost, as with `curl -d`; send it with `curl --data-binary @FILE`"
    )]
    OneLine,
    /// The columns are in another order than the one by which they are read.
    #[error("the columns are in the order {found}; expected {expected}: columns are read by their position")]
    ColumnOrder {
        /// The keys of the columns in the order of the file; `?` where a title is not known.
        found: String,
        /// The keys of the columns in the order in which they are read.
        expected: String,
    },
}

/// A required column that a file does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingColumn {
    /// Its title.
    pub title: &'static str,
    /// The number of the column whose title looks like it, counted from 1.
    pub similar: Option<usize>,
}

fn describe_missing(missing: &[MissingColumn]) -> String {
    let titles: Vec<&str> = missing.iter().map(|column| column.title).collect();
    let (noun, verb) = if titles.len() == 1 { ("column", "is") } else { ("columns", "are") };
    let similar = missing.iter().filter_map(|column| Some((column.similar?, column.title)));
    let hints: Vec<String> =
        similar.map(|(number, title)| format!("column {number} may be meant as {title}")).collect();
    let hints = if hints.is_empty() { String::new() } else { format!(" ({})", hints.join(", ")) };
    format!(
        "the required {noun} {} {verb} missing{hints}; the first line must name the columns, separated by commas",
        titles.join(", ")
    )
}

impl Header {
    /// Checks the titles of a Spigit file. Empty titles at the end are left out: their columns must be empty.
    pub fn parse<'a>(titles: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, HeaderError> {
        let mut titles: Vec<&[u8]> = titles.into_iter().collect();
        if titles.len() <= 2 && titles.iter().take(1).any(|title| is_separator_line(title)) {
            return Err(HeaderError::SeparatorLine);
        }
        let is_empty = |title: &&[u8]| std::str::from_utf8(title).is_ok_and(|text| text.trim().is_empty());
        titles.truncate(titles.iter().rposition(|title| !is_empty(title)).map_or(0, |last| last + 1));
        if titles.len() > MAX_COLUMNS {
            return Err(HeaderError::TooManyColumns(titles.len()));
        }
        let titles = titles
            .into_iter()
            .enumerate()
            .map(|(i, title)| check_title(i + 1, title))
            .collect::<Result<Vec<_>, _>>()?;
        check_single_quotes(&titles)?;
        check_duplicates(&titles)?;
        if let Some(position) = titles.iter().position(|title| PASSWORD_TITLES.contains(&key::fold(title).as_str())) {
            return Err(HeaderError::PasswordColumn(position + 1));
        }
        let header = Self::from_titles(titles);
        let missing = header.missing();
        if missing.is_empty() { Ok(header) } else { Err(HeaderError::ColumnMissing(missing)) }
    }

    /// The required columns that the file does not have.
    fn missing(&self) -> Vec<MissingColumn> {
        let required = FIELDS.iter().filter(|spec| spec.required && self.position(spec.field).is_none());
        let similar = |spec: &FieldSpec| {
            let unknown =
                self.titles.iter().zip(&self.columns).map(|(title, column)| (title, column == &Column::Attribute));
            let mut numbered = (1..).zip(unknown);
            numbered
                .find(|(_, (title, is_unknown))| *is_unknown && similar_field(title) == Some(spec.field))
                .map(|(number, _)| number)
        };
        required.map(|spec| MissingColumn { title: spec.spigit_title, similar: similar(spec) }).collect()
    }

    /// The titles of columns that are kept as attributes, each with the title that may have been meant.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Option<&'static str>)> {
        let columns = self.titles.iter().zip(&self.columns).filter(|(_, column)| **column == Column::Attribute);
        columns.map(|(title, _)| {
            let similar = similar_field(title).filter(|field| self.position(*field).is_none());
            (title.as_str(), similar.map(|field| field.spec().spigit_title))
        })
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
    if workbook_cell::is_marked(text) {
        return Err(HeaderError::TitleNotText(number));
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
    c.is_control() || invisible::is_invisible(c) || text::is_noncharacter(c) || (c.is_whitespace() && c != ' ')
}

/// Whether a title has no invisible character.
pub(crate) fn is_visible_title(title: &str) -> bool {
    !title.chars().any(is_invisible)
}

fn check_single_quotes(titles: &[String]) -> Result<(), HeaderError> {
    let is_quoted = |title: &String| title.len() > 1 && title.starts_with('\'') && title.ends_with('\'');
    if !titles.is_empty() && titles.iter().all(is_quoted) { Err(HeaderError::SingleQuotes) } else { Ok(()) }
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

    fn missing(columns: &[(&'static str, Option<usize>)]) -> HeaderError {
        let columns = columns.iter().map(|(title, similar)| MissingColumn { title, similar: *similar });
        HeaderError::ColumnMissing(columns.collect())
    }

    const CORE: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

    #[test]
    fn each_error_in_a_header_has_its_own_variant() {
        use HeaderError as E;
        for (line, expected) in [
            ("USERNAME,FIRST_NM,LAST_NM", missing(&[("EMAIL", None)])),
            ("EMAIL,USERNAME,FIRST_NM", missing(&[("LAST_NM", None)])),
            (
                "x,y,Mail,First Name",
                missing(&[("EMAIL", Some(3)), ("USERNAME", None), ("FIRST_NM", Some(4)), ("LAST_NM", None)]),
            ),
            (&format!("{CORE},Email "), E::ColumnDuplicate(1, 5)),
            (&format!("{CORE},x, X"), E::ColumnDuplicate(5, 6)),
            (&format!("{CORE},caf\u{e9},cafe\u{301}"), E::ColumnDuplicate(5, 6)),
            ("EMAIL,,USERNAME,FIRST_NM,LAST_NM", E::TitleEmpty(2)),
            (&vec!["a"; 201].join(","), E::TooManyColumns(201)),
            (&vec!["a"; 5000].join(","), E::TooManyColumns(5000)),
            (&format!("{CORE},{}", "x".repeat(65)), E::TitleTooLong(5)),
            ("sep=;", E::SeparatorLine),
            ("SEP=,", E::SeparatorLine),
            (&format!("{CORE},Password"), E::PasswordColumn(5)),
            (&format!("password_hash,{CORE}"), E::PasswordColumn(1)),
            ("'EMAIL','USERNAME'", E::SingleQuotes),
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
