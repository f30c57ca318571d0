//! The records of a file, whatever its dialect and format.

use muster_domain::field::Field;
use muster_domain::json_array::JsonArrayScanner;
use muster_domain::loose_csv::LooseCsvScanner;
use muster_domain::scanner::{RecordError, RecordLimits, Scan, Scanner};
use muster_domain::strict_csv::StrictCsvScanner;
use muster_domain::{Dialect, Format, Header, collaborator, key, spigit};
use xxhash_rust::xxh3::xxh3_64;

/// How the records of a file are read.
#[derive(Clone, Copy)]
pub(crate) struct Layout<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) format: Format,
    /// The column titles of a Spigit file.
    pub(crate) header: &'a Header,
}

/// Finds the records of a file, and the user of each record.
pub(crate) enum Records {
    Spigit { scanner: Box<StrictCsvScanner>, key_column: Option<usize>, scratch: String },
    CollaboratorCsv(LooseCsvScanner),
    CollaboratorJson(JsonArrayScanner),
}

impl Records {
    pub(crate) fn new(layout: Layout<'_>, limits: RecordLimits) -> Self {
        match (layout.dialect, layout.format) {
            (Dialect::Spigit, _) => Self::Spigit {
                scanner: Box::new(StrictCsvScanner::new(spigit::DELIMITER, limits, 1)),
                key_column: layout.header.position(Field::Username),
                scratch: String::new(),
            },
            (Dialect::Collaborator, Format::Csv) => {
                Self::CollaboratorCsv(LooseCsvScanner::new(collaborator::DELIMITER, limits, 1))
            }
            (Dialect::Collaborator, Format::Json) => Self::CollaboratorJson(JsonArrayScanner::new(limits, 1)),
        }
    }

    /// Whether the first record is a title line.
    pub(crate) fn have_titles(&self) -> bool {
        !matches!(self, Self::CollaboratorJson(_))
    }

    pub(crate) fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        match self {
            Self::Spigit { scanner, .. } => scanner.scan(input, at_end),
            Self::CollaboratorCsv(scanner) => scanner.scan(input, at_end),
            Self::CollaboratorJson(scanner) => scanner.scan(input, at_end),
        }
    }

    fn scanner(&self) -> &dyn Scanner {
        match self {
            Self::Spigit { scanner, .. } => &**scanner,
            Self::CollaboratorCsv(scanner) => scanner,
            Self::CollaboratorJson(scanner) => scanner,
        }
    }

    /// The bytes of the current record.
    pub(crate) fn raw(&self) -> &[u8] {
        self.scanner().raw()
    }

    /// What separates the current record from the previous one in a batch; `None` if it is too long to keep.
    pub(crate) fn lead(&self) -> Option<&[u8]> {
        self.scanner().lead()
    }

    /// The number of bytes in the file between the previous record and the current one.
    pub(crate) fn lead_bytes(&self) -> u64 {
        self.scanner().lead_bytes()
    }

    /// The line of the current record; in JSON, its number.
    pub(crate) fn line(&self) -> u64 {
        self.scanner().line()
    }

    /// A hash of the key that identifies the user of the current record; `None` if it has no such key.
    pub(crate) fn key(&mut self) -> Option<u64> {
        match self {
            Self::Spigit { scanner, key_column, scratch } => {
                let value = std::str::from_utf8(scanner.field((*key_column)?)?).ok()?;
                scratch.clear();
                key::fold_into(value, scratch);
                (!scratch.is_empty()).then(|| xxh3_64(scratch.as_bytes()))
            }
            Self::CollaboratorCsv(scanner) => {
                let cell = scanner.field(0)?;
                collaborator::uid_of_cell(&cell).map(|uid| xxh3_64(uid.as_bytes()))
            }
            Self::CollaboratorJson(scanner) => {
                collaborator::uid_of_json(scanner.raw()).map(|uid| xxh3_64(uid.as_bytes()))
            }
        }
    }
}
