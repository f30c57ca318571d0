//! The rows of a sheet.

use std::io::BufRead;

use quick_xml::events::BytesStart;

use super::strings::RichText;
use crate::error::ArchiveError;
use crate::xml::{Node, Xml, attribute};

/// The maximum number of rows of a sheet (ECMA-376; the limit of Excel).
const MAX_ROWS: u64 = 1_048_576;
/// The maximum number of columns of a sheet.
const MAX_COLUMNS: usize = 16_384;
/// How much text a row may have in bytes. It is more than the limit of a record, so that a longer row fails.
const MAX_ROW_BYTES: usize = 4 << 20;

/// The content of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Empty,
    /// The number of a text.
    Shared(usize),
    Text(String),
    /// A number as it is written.
    Number(String),
    /// A date in the form of ISO 8601.
    IsoDate(String),
    Truth,
    Error,
    /// A formula whose value was not saved.
    UnsavedFormula,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The column, counted from 0.
    pub(super) column: usize,
    pub(super) style: usize,
    pub(super) value: Value,
}

/// A row with its cells in the order of their columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// The number of the row, counted from 1.
    pub(super) number: u64,
    cells: Vec<Cell>,
    bytes: usize,
}

impl Row {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter()
    }

    pub(super) fn has_value(&self) -> bool {
        self.cells.iter().any(|cell| cell.value != Value::Empty)
    }

    fn push(&mut self, cell: Cell) -> Result<(), ArchiveError> {
        if cell.column >= MAX_COLUMNS || self.cells.last().is_some_and(|last| last.column >= cell.column) {
            return Err(ArchiveError::WorkbookDamaged("the cells of a row are not in order"));
        }
        self.bytes += match &cell.value {
            Value::Text(text) | Value::Number(text) | Value::IsoDate(text) => text.len(),
            Value::Empty | Value::Shared(_) | Value::Truth | Value::Error | Value::UnsavedFormula => 0,
        };
        if self.bytes > MAX_ROW_BYTES {
            return Err(ArchiveError::WorkbookDamaged("a row is too long"));
        }
        self.cells.push(cell);
        Ok(())
    }

    /// The column after the last cell.
    fn next_column(&self) -> usize {
        self.cells.last().map_or(0, |last| last.column + 1)
    }
}

/// Reads the rows of a sheet.
pub(super) struct SheetReader<R> {
    xml: Xml<R>,
    row: Row,
}

impl<R: BufRead> SheetReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { xml: Xml::new(input), row: Row::default() }
    }

    /// The next row that the sheet lists; `None` after the last one.
    pub(super) fn next_row(&mut self) -> Result<Option<&Row>, ArchiveError> {
        loop {
            match self.xml.next()? {
                Node::Start(start) if start.local_name().as_ref() == b"row" => {
                    let number = attribute(&start, "r")?.map_or(Ok(self.row.number + 1), |number| number.parse());
                    let number = number.ok().filter(|number| (self.row.number + 1..=MAX_ROWS).contains(number));
                    self.row.number = number.ok_or(ArchiveError::WorkbookDamaged("its rows are not in order"))?;
                    self.row.cells.clear();
                    self.row.bytes = 0;
                    self.read_cells()?;
                    return Ok(Some(&self.row));
                }
                Node::End(b"sheetData") | Node::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Reads the cells up to the end of the row.
    fn read_cells(&mut self) -> Result<(), ArchiveError> {
        let mut cell = None;
        loop {
            match self.xml.next()? {
                Node::Start(start) => match (start.local_name().as_ref(), &mut cell) {
                    (b"c", None) => cell = Some(OpenCell::new(&start, self.row.next_column())?),
                    (name, Some(cell)) => cell.start(name),
                    (_, None) => {}
                },
                Node::Text(text) => {
                    if let Some(cell) = &mut cell {
                        cell.push(&text)?;
                    }
                }
                Node::End(b"row") => return Ok(()),
                Node::End(b"c") => {
                    if let Some(cell) = cell.take() {
                        self.row.push(cell.close()?)?;
                    }
                }
                Node::End(name) => {
                    if let Some(cell) = &mut cell {
                        cell.end(name);
                    }
                }
                Node::Eof => return Err(ArchiveError::WorkbookDamaged("a row has no end")),
            }
        }
    }
}

/// A cell whose end has not been read.
struct OpenCell {
    column: usize,
    style: usize,
    kind: String,
    has_formula: bool,
    has_value: bool,
    is_value: bool,
    value: String,
    text: RichText,
}

impl OpenCell {
    fn new(start: &BytesStart<'_>, next_column: usize) -> Result<Self, ArchiveError> {
        let (mut column, mut style, mut kind) = (next_column, 0, String::new());
        for found in start.attributes().with_checks(false).flatten() {
            let value = std::str::from_utf8(&found.value).unwrap_or_default();
            match found.key.as_ref() {
                b"r" => {
                    column = column_of(value).ok_or(ArchiveError::WorkbookDamaged("a cell has no valid name"))?;
                }
                b"s" => style = value.parse().unwrap_or_default(),
                b"t" => value.clone_into(&mut kind),
                _ => {}
            }
        }
        Ok(Self {
            column,
            style,
            kind,
            has_formula: false,
            has_value: false,
            is_value: false,
            value: String::new(),
            text: RichText::default(),
        })
    }

    fn start(&mut self, name: &[u8]) {
        match name {
            b"v" => {
                self.is_value = true;
                self.has_value = true;
            }
            b"f" => self.has_formula = true,
            name => self.text.start(name),
        }
    }

    fn push(&mut self, text: &str) -> Result<(), ArchiveError> {
        if self.is_value {
            self.value.push_str(text);
        } else {
            self.text.push(text)?;
        }
        if self.value.len() > MAX_ROW_BYTES { Err(ArchiveError::WorkbookDamaged("a cell is too long")) } else { Ok(()) }
    }

    fn end(&mut self, name: &[u8]) {
        match name {
            b"v" => self.is_value = false,
            name => self.text.end(name),
        }
    }

    fn close(mut self) -> Result<Cell, ArchiveError> {
        let value = match self.kind.as_str() {
            "inlineStr" => text_value(self.text.take()),
            _ if self.has_formula && !self.has_value => Value::UnsavedFormula,
            _ if self.value.is_empty() => Value::Empty,
            "s" => {
                let number = self.value.trim().parse();
                Value::Shared(number.map_err(|_| ArchiveError::WorkbookDamaged("a cell refers to no text"))?)
            }
            "str" => text_value(RichText::of(self.value).take()),
            "d" => Value::IsoDate(self.value),
            "b" => Value::Truth,
            "e" => Value::Error,
            _ => Value::Number(self.value),
        };
        Ok(Cell { column: self.column, style: self.style, value })
    }
}

fn text_value(text: String) -> Value {
    if text.is_empty() { Value::Empty } else { Value::Text(text) }
}

/// The column of a cell with a name such as `B17`, counted from 0.
fn column_of(name: &str) -> Option<usize> {
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic);
    let column =
        letters.take(4).fold(0, |column, letter| column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of a row, and the column and value of each cell.
    type FoundRow = (u64, Vec<(usize, Value)>);

    fn rows(xml: &str) -> Result<Vec<FoundRow>, ArchiveError> {
        let xml = format!("<worksheet><cols/><sheetData>{xml}</sheetData><mergeCells/></worksheet>");
        let mut reader = SheetReader::new(xml.as_bytes());
        let mut rows = Vec::new();
        while let Some(row) = reader.next_row()? {
            rows.push((row.number, row.iter().map(|cell| (cell.column, cell.value.clone())).collect()));
        }
        Ok(rows)
    }

    #[test]
    fn cells_have_their_columns_and_values() {
        let text = |text: &str| Value::Text(text.to_owned());
        let xml = "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>7</v></c><c r=\"C2\" s=\"3\"><v>45429</v></c><c r=\"D2\" s=\"1\"/></row>\
                   <row r=\"5\"><c t=\"inlineStr\"><is><t>Be</t></is></c><c t=\"str\"><f>A1</f><v>x&lt;y</v></c>\
                   <c t=\"b\"><v>1</v></c><c t=\"e\"><v>#REF!</v></c><c t=\"d\"><v>2024-05-17</v></c><c><f>A1</f></c><c t=\"str\"><f>A1</f><v/></c></row><x:row xmlns:x=\"y\"/>";
        assert_eq!(
            rows(xml).unwrap(),
            [
                (2, vec![(0, Value::Shared(7)), (2, Value::Number("45429".to_owned())), (3, Value::Empty)]),
                (
                    5,
                    vec![
                        (0, text("Be")),
                        (1, text("x<y")),
                        (2, Value::Truth),
                        (3, Value::Error),
                        (4, Value::IsoDate("2024-05-17".to_owned())),
                        (5, Value::UnsavedFormula),
                        (6, Value::Empty),
                    ]
                ),
                (6, Vec::new()),
            ]
        );
    }

    #[test]
    fn sheets_that_are_not_in_order_are_damaged() {
        for xml in [
            "<row r=\"2\"/><row r=\"2\"/>",
            "<row r=\"0\"/>",
            "<row r=\"1048577\"/>",
            "<row r=\"x\"/>",
            "<row><c r=\"B1\"/><c r=\"A1\"/></row>",
            "<row><c r=\"1\"/></row>",
            "<row><c r=\"XFE1\"/></row>",
            "<row><c r=\"A1\" t=\"s\"><v>x</v></c></row>",
            "<row><c r=\"A1\"><v>1</c></row>",
        ] {
            assert!(matches!(rows(xml), Err(ArchiveError::WorkbookDamaged(_))), "{xml}");
        }
    }
}
