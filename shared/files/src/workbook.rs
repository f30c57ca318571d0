//! Excel workbooks (.xlsx, ECMA-376): a sheet as CSV text.
//!
//! A workbook is a ZIP archive of XML parts. Texts are in a part of their own, to whose entries the cells refer, so that
//! all of them are kept in memory while a sheet is read, up to a limit.

mod number;
mod sheet;
mod strings;
mod styles;
mod text;

use std::collections::HashSet;
use std::io::{Read, Seek};
use std::ops::ControlFlow;

use crate::archive::Archive;
use crate::error::ArchiveError;
use crate::xml::{Node, Xml, attribute};
use sheet::{SheetReader, Value};
use strings::Strings;
use styles::Styles;
use text::SheetText;

/// The maximum number of sheets.
const MAX_SHEETS: usize = 200;
/// How many rows are read to inspect a sheet.
const INSPECTED_ROWS: usize = 1_000;

/// The directory of a workbook.
pub struct Workbook<R> {
    archive: Archive<R>,
    sheets: Vec<Sheet>,
    strings: Option<String>,
    styles: Option<String>,
    /// Whether days are counted from 1904, not from 1900.
    counts_from_1904: bool,
}

#[derive(Debug)]
struct Sheet {
    name: String,
    part: String,
    is_visible: bool,
}

/// The first rows of a sheet.
#[derive(Debug, PartialEq, Eq)]
pub struct SheetHead {
    /// The name of the sheet.
    pub name: String,
    /// The first rows as CSV text.
    pub text: Vec<u8>,
    /// Whether these are all rows.
    pub is_whole: bool,
}

impl<R: Read + Seek> Workbook<R> {
    /// Reads which sheets a workbook has.
    pub fn open(mut archive: Archive<R>) -> Result<Self, ArchiveError> {
        let main = relations(&mut archive, "")?.into_iter().find(|relation| relation.kind == "officeDocument");
        let main = main.map_or_else(|| "xl/workbook.xml".to_owned(), |relation| relation.part);
        let relations = relations(&mut archive, &main)?;
        let part_of_kind =
            |kind: &str| relations.iter().find(|found| found.kind == kind).map(|found| found.part.clone());
        let (strings, styles) = (part_of_kind("sharedStrings"), part_of_kind("styles"));
        let mut workbook = Self { archive, sheets: Vec::new(), strings, styles, counts_from_1904: false };
        workbook.read_main(&main, &relations)?;
        Ok(workbook)
    }

    fn read_main(&mut self, main: &str, relations: &[Relation]) -> Result<(), ArchiveError> {
        let part = self.archive.open_part(main)?;
        let mut xml = Xml::new(part.ok_or(ArchiveError::WorkbookDamaged("it has no list of sheets"))?);
        loop {
            match xml.next()? {
                Node::Start(start) if start.local_name().as_ref() == b"sheet" => {
                    let id = attribute(&start, "id")?;
                    let relation = relations.iter().find(|relation| Some(&relation.id) == id.as_ref());
                    let (Some(relation), Some(name)) = (relation, attribute(&start, "name")?) else { continue };
                    if relation.kind != "worksheet" {
                        continue;
                    }
                    let is_visible = attribute(&start, "state")?.is_none_or(|state| state == "visible");
                    self.sheets.push(Sheet { name, part: relation.part.clone(), is_visible });
                    if self.sheets.len() > MAX_SHEETS {
                        return Err(ArchiveError::WorkbookDamaged("it has more than 200 sheets"));
                    }
                }
                Node::Start(start) if start.local_name().as_ref() == b"workbookPr" => {
                    let value = attribute(&start, "date1904")?;
                    self.counts_from_1904 = value.is_some_and(|value| value == "1" || value == "true");
                }
                Node::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    /// Finds the sheet of this name, or the only visible one that has data, and reads its first rows as CSV text with this
    /// separator.
    pub fn inspect(&mut self, name: Option<&str>, delimiter: u8) -> Result<SheetHead, ArchiveError> {
        let sheet = match name {
            Some(name) => self.find_sheet(name)?,
            None => self.only_sheet_with_data()?,
        };
        let styles = self.read_styles()?;
        let mut wanted = HashSet::new();
        self.read_rows(sheet, INSPECTED_ROWS, |row| {
            wanted
                .extend(row.iter().filter_map(|cell| if let Value::Shared(at) = cell.value { Some(at) } else { None }));
            Ok(ControlFlow::Continue(()))
        })?;
        let strings = self.read_strings(Some(&wanted))?;
        let mut text = SheetText::new(delimiter, &strings, &styles, self.counts_from_1904);
        let is_whole = self.read_rows(sheet, INSPECTED_ROWS, |row| {
            text.push_row(row)?;
            Ok(if text.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let head = SheetHead { name: self.sheets[sheet].name.clone(), text: text.take(), is_whole };
        if head.text.is_empty() && head.is_whole { Err(ArchiveError::NoData) } else { Ok(head) }
    }

    /// Reads a sheet as CSV text with this separator, in pieces. Stops early if `take` asks for it.
    pub fn read_text(
        &mut self,
        name: &str,
        delimiter: u8,
        mut take: impl FnMut(Vec<u8>) -> ControlFlow<()>,
    ) -> Result<(), ArchiveError> {
        let sheet = self.find_sheet(name)?;
        let styles = self.read_styles()?;
        let strings = self.read_strings(None)?;
        let mut text = SheetText::new(delimiter, &strings, &styles, self.counts_from_1904);
        self.read_rows(sheet, usize::MAX, |row| {
            text.push_row(row)?;
            Ok(if text.is_full() { take(text.take()) } else { ControlFlow::Continue(()) })
        })?;
        let _ = take(text.take());
        Ok(())
    }

    /// The size of the unpacked texts in bytes, as the archive says: about the memory that [`Self::read_text`] needs.
    pub fn string_bytes(&mut self) -> u64 {
        let part = self.strings.clone();
        part.and_then(|part| self.archive.part_bytes(&part)).unwrap_or_default()
    }

    fn find_sheet(&self, name: &str) -> Result<usize, ArchiveError> {
        let matches = |sheet: &Sheet| sheet.name.to_lowercase() == name.to_lowercase();
        let names = || self.sheets.iter().map(|sheet| sheet.name.clone()).collect();
        self.sheets.iter().position(matches).ok_or_else(|| ArchiveError::SheetUnknown(names()))
    }

    fn only_sheet_with_data(&mut self) -> Result<usize, ArchiveError> {
        let mut found = Vec::new();
        for sheet in 0..self.sheets.len() {
            if self.sheets[sheet].is_visible && self.has_data(sheet)? {
                found.push(sheet);
            }
        }
        match found[..] {
            [] => Err(ArchiveError::NoData),
            [sheet] => Ok(sheet),
            _ => Err(ArchiveError::SeveralSheets(found.iter().map(|at| self.sheets[*at].name.clone()).collect())),
        }
    }

    fn has_data(&mut self, sheet: usize) -> Result<bool, ArchiveError> {
        let mut has_data = false;
        self.read_rows(sheet, usize::MAX, |row| {
            has_data = row.has_value();
            Ok(if has_data { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(has_data)
    }

    /// Reads up to this number of rows with values, and the rows without values between them. Returns whether the sheet has
    /// no more.
    fn read_rows(
        &mut self,
        sheet: usize,
        limit: usize,
        mut take: impl FnMut(&sheet::Row) -> Result<ControlFlow<()>, ArchiveError>,
    ) -> Result<bool, ArchiveError> {
        let part = self.sheets[sheet].part.clone();
        let part = self.archive.open_part(&part)?;
        let mut reader = SheetReader::new(part.ok_or(ArchiveError::WorkbookDamaged("a sheet is missing"))?);
        let mut rows_with_values = 0;
        while rows_with_values < limit {
            let Some(row) = reader.next_row()? else { return Ok(true) };
            rows_with_values += usize::from(row.has_value());
            if take(row)?.is_break() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn read_styles(&mut self) -> Result<Styles, ArchiveError> {
        let part = self.styles.clone().map(|part| self.archive.open_part(&part)).transpose()?.flatten();
        part.map_or_else(|| Ok(Styles::default()), Styles::read)
    }

    /// Reads all texts, or only those with these numbers.
    fn read_strings(&mut self, wanted: Option<&HashSet<usize>>) -> Result<Strings, ArchiveError> {
        let part_bytes = self.string_bytes();
        let part = self.strings.clone().map(|part| self.archive.open_part(&part)).transpose()?.flatten();
        part.map_or_else(|| Ok(Strings::default()), |part| Strings::read(part, wanted, part_bytes))
    }
}

/// A relation from one part of a workbook to another.
struct Relation {
    id: String,
    /// The last part of its type.
    kind: String,
    part: String,
}

/// The relations of a part, or of the whole package if `part` is empty.
fn relations<R: Read + Seek>(archive: &mut Archive<R>, part: &str) -> Result<Vec<Relation>, ArchiveError> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = format!("{folder}/_rels/{file}.rels");
    let Some(input) = archive.open_part(name.trim_start_matches('/'))? else { return Ok(Vec::new()) };
    let mut xml = Xml::new(input);
    let mut found = Vec::new();
    loop {
        match xml.next()? {
            Node::Start(start) if start.local_name().as_ref() == b"Relationship" => {
                let (id, kind) = (attribute(&start, "Id")?, attribute(&start, "Type")?);
                let (Some(id), Some(kind), Some(target)) = (id, kind, attribute(&start, "Target")?) else { continue };
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                found.push(Relation { id, kind, part: resolve(folder, &target) });
                if found.len() > MAX_SHEETS * 10 {
                    return Err(ArchiveError::WorkbookDamaged("it has too many parts"));
                }
            }
            Node::Eof => return Ok(found),
            _ => {}
        }
    }
}

/// The name of the part that a relation in this folder leads to.
fn resolve(folder: &str, target: &str) -> String {
    let start = if target.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = start.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests;
