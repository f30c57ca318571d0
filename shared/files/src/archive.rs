//! ZIP archives: the only file in one, and the parts of a document.

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek};

use zip::{CompressionMethod, ZipArchive};

use crate::error::ArchiveError;
use crate::limited::RatioLimit;

/// Files that operating systems add to archives.
const SYSTEM_FILES: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];
/// The folder that macOS adds.
const SYSTEM_FOLDER: &str = "__MACOSX/";

/// The parts by which documents in ZIP archives are told apart, in lower case.
const DOCUMENTS: [(&str, &str); 4] = [
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)"),
    ("word/document.xml", "a Word document"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
    ("content.xml", "an OpenDocument file"),
];

/// The first bytes of files that are packed themselves.
const PACKED: [&[u8]; 6] = [b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!", b"BZh"];

/// What an archive holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// Files.
    Files,
    /// The parts of an Excel workbook.
    Workbook,
    /// The parts of another document.
    OtherDocument(&'static str),
}

/// A ZIP archive.
pub struct Archive<R> {
    zip: ZipArchive<R>,
    /// The number of each entry by its name in lower case, without a slash at its start.
    numbers: HashMap<String, usize>,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of an archive.
    pub fn open(reader: R) -> Result<Self, ArchiveError> {
        let zip = ZipArchive::new(reader)?;
        let names = (0..zip.len()).filter_map(|number| Some((name_of(&zip, number)?, number)));
        let numbers = names.map(|(name, number)| (name.trim_start_matches('/').to_lowercase(), number)).collect();
        Ok(Self { zip, numbers })
    }

    /// What the archive holds.
    pub fn kind(&self) -> ArchiveKind {
        if self.numbers.contains_key("xl/workbook.xml") || self.numbers.contains_key("_rels/.rels") && self.has_sheets()
        {
            return ArchiveKind::Workbook;
        }
        let document = DOCUMENTS.into_iter().find(|(part, _)| self.numbers.contains_key(*part));
        document.map_or(ArchiveKind::Files, |(_, kind)| ArchiveKind::OtherDocument(kind))
    }

    fn has_sheets(&self) -> bool {
        self.numbers.keys().any(|name| name.contains("worksheets/"))
    }

    /// The number of the only file. Folders and what operating systems add do not count.
    pub fn only_file(&mut self) -> Result<usize, ArchiveError> {
        let files: Vec<usize> = (0..self.zip.len()).filter(|number| self.is_file(*number)).collect();
        match files[..] {
            [] => Err(ArchiveError::NoFile),
            [number] => {
                let mut start = Vec::new();
                self.open_entry(number)?.take(4).read_to_end(&mut start)?;
                if PACKED.iter().any(|magic| start.starts_with(&magic[..magic.len().min(4)])) {
                    return Err(ArchiveError::Nested(self.name(number)));
                }
                Ok(number)
            }
            _ => Err(ArchiveError::SeveralFiles(files.iter().map(|number| self.name(*number)).collect())),
        }
    }

    fn is_file(&self, number: usize) -> bool {
        let name = self.name(number);
        let last = name.rsplit('/').next().unwrap_or_default();
        !name.ends_with('/')
            && !name.starts_with(SYSTEM_FOLDER)
            && !last.starts_with("._")
            && !SYSTEM_FILES.iter().any(|system| last.eq_ignore_ascii_case(system))
    }

    fn name(&self, number: usize) -> String {
        name_of(&self.zip, number).unwrap_or_default()
    }

    /// Unpacks an entry. Its checksum is checked at its end.
    pub(crate) fn open_entry(&mut self, number: usize) -> Result<impl Read + use<'_, R>, ArchiveError> {
        let entry = self.zip.by_index_data(number)?;
        let (packed_bytes, method, encrypted) = (entry.compressed_size(), entry.compression(), entry.encrypted());
        if encrypted {
            return Err(ArchiveError::Encrypted(self.name(number)));
        }
        if !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(ArchiveError::Method(self.name(number)));
        }
        Ok(RatioLimit::new(self.zip.by_index(number)?, packed_bytes))
    }

    /// The size of a part when it is unpacked, as the archive says; `None` if there is no such part.
    pub(crate) fn part_bytes(&self, name: &str) -> Option<u64> {
        let number = self.numbers.get(&name.to_lowercase())?;
        Some(self.zip.by_index_data(*number).ok()?.size())
    }

    /// Unpacks a part of a document; `None` if there is no such part.
    pub(crate) fn open_part<'a>(
        &'a mut self,
        name: &str,
    ) -> Result<Option<BufReader<impl Read + use<'a, R>>>, ArchiveError> {
        let Some(number) = self.numbers.get(&name.to_lowercase()).copied() else { return Ok(None) };
        self.open_entry(number).map(|part| Some(BufReader::with_capacity(64 * 1024, part)))
    }
}

fn name_of<R: Read + Seek>(zip: &ZipArchive<R>, number: usize) -> Option<String> {
    Some(zip.name_for_index(number)?.ok()?.into_owned())
}
