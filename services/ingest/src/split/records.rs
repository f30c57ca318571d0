//! The records of a file, whatever its dialect and format.

use muster_domain::csv::{CsvScanner, LineProblem};
use muster_domain::field::Field;
use muster_domain::json_array::JsonArrayScanner;
use muster_domain::scanner::{RecordError, RecordLimits, Scan, Scanner};
use muster_domain::{
    CheckRules, Dialect, Format, Handling, Header, RowsStart, collaborator, invisible, key, spigit, spreadsheet,
    workbook_cell,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How the records of a file are read.
#[derive(Clone, Copy)]
pub(crate) struct Layout<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) format: Format,
    pub(crate) handling: Handling,
    /// The column titles, if they are known.
    pub(crate) header: &'a Header,
    pub(crate) start: RowsStart,
}

/// Finds the records of a file, and what each record names and sets.
pub(crate) enum Records {
    Spigit { scanner: Box<CsvScanner>, key_column: Option<usize>, email_column: Option<usize>, scratch: String },
    CollaboratorCsv(Box<CsvScanner>),
    CollaboratorJson(Box<JsonArrayScanner>),
    JsonLines { scanner: Box<CsvScanner>, dialect: Dialect },
}

impl Records {
    pub(crate) fn new(layout: Layout<'_>, limits: RecordLimits) -> Self {
        let rules = CheckRules {
            dialect: layout.dialect,
            handling: layout.handling,
            format: layout.format,
            header: layout.header.clone(),
            limits,
        };
        let lines = || Box::new(CsvScanner::new(rules.line_syntax(), layout.start.line));
        match (layout.dialect, layout.format) {
            (dialect, Format::JsonLines) => Self::JsonLines { scanner: lines(), dialect },
            (Dialect::Spigit, _) => Self::Spigit {
                scanner: lines(),
                key_column: layout.header.position(Field::Username),
                email_column: layout.header.position(Field::Email),
                scratch: String::new(),
            },
            (Dialect::Collaborator, Format::Csv | Format::Workbook) => Self::CollaboratorCsv(lines()),
            (Dialect::Collaborator, Format::Json) => Self::CollaboratorJson(Box::new(JsonArrayScanner::new(limits, 1))),
        }
    }

    /// How many hashes a record has at most.
    pub(crate) fn hashes_per_record(&self) -> usize {
        match self {
            Self::Spigit { .. } => 2,
            Self::CollaboratorCsv(_) | Self::CollaboratorJson(_) | Self::JsonLines { .. } => 3,
        }
    }

    pub(crate) fn scan(&mut self, input: &[u8], at_end: bool) -> Result<Scan, RecordError> {
        match self {
            Self::Spigit { scanner, .. } | Self::CollaboratorCsv(scanner) | Self::JsonLines { scanner, .. } => {
                scanner.scan(input, at_end)
            }
            Self::CollaboratorJson(scanner) => scanner.scan(input, at_end),
        }
    }

    /// The scanner of a file with a record on each line.
    pub(crate) fn lines(&self) -> Option<&CsvScanner> {
        match self {
            Self::Spigit { scanner, .. } | Self::CollaboratorCsv(scanner) | Self::JsonLines { scanner, .. } => {
                Some(scanner)
            }
            Self::CollaboratorJson(_) => None,
        }
    }

    fn scanner(&self) -> &dyn Scanner {
        match self {
            Self::Spigit { scanner, .. } | Self::CollaboratorCsv(scanner) | Self::JsonLines { scanner, .. } => {
                &**scanner
            }
            Self::CollaboratorJson(scanner) => &**scanner,
        }
    }

    /// The bytes of the current record, or what stands for them.
    pub(crate) fn raw(&self) -> &[u8] {
        self.scanner().raw()
    }

    /// The size of the current record in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.scanner().bytes()
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

    /// The line on which the lead starts, if lines of titles were skipped in it: their warnings belong to a batch.
    pub(crate) fn line_of_skipped_titles(&self) -> Option<u64> {
        let scanner = self.lines().filter(|scanner| !scanner.title_lines().is_empty())?;
        Some(scanner.lead_line())
    }

    /// Why the current line is broken; `None` if it is a record.
    pub(crate) fn problem(&self) -> Option<LineProblem> {
        self.lines()?.problem()
    }

    /// Hashes of what the current record names and sets.
    pub(crate) fn hashes(&mut self) -> RecordHashes {
        match self {
            Self::Spigit { scanner, key_column, email_column, scratch } => {
                let mut hash = |column: Option<usize>, kind: Kind| {
                    hash_cell(std::str::from_utf8(&scanner.field(column?)?).ok()?, kind, scratch)
                };
                let user = hash(*key_column, Kind::User);
                RecordHashes { user, email: hash(*email_column, Kind::Email), login: None }
            }
            Self::CollaboratorCsv(scanner) => {
                let cell = |name| scanner.field(collaborator::position_of(name));
                let hash = |name, kind| hash_cell(std::str::from_utf8(&cell(name)?).ok()?, kind, &mut String::new());
                let uid = cell(Field::Uid);
                let uid = uid.as_deref().and_then(|uid| std::str::from_utf8(uid).ok());
                RecordHashes {
                    user: uid.and_then(collaborator::clean_uid).as_deref().map(hash_user),
                    email: hash(Field::Email, Kind::Email),
                    login: hash(Field::Username, Kind::Login),
                }
            }
            Self::CollaboratorJson(scanner) => hash_collaborator_object(scanner.raw()),
            Self::JsonLines { scanner, dialect } => match dialect {
                Dialect::Spigit => hash_spigit_object(scanner.raw()),
                Dialect::Collaborator => hash_collaborator_object(scanner.raw()),
            },
        }
    }
}

/// Hashes of what a record names and sets; `None` if it does not, or if the value cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordHashes {
    /// The key that identifies the user.
    pub(crate) user: Option<u64>,
    /// The folded e-mail.
    pub(crate) email: Option<u64>,
    /// The folded login, unless it identifies the user.
    pub(crate) login: Option<u64>,
}

/// What is hashed. Equal texts of different kinds have different hashes.
#[derive(Clone, Copy)]
enum Kind {
    User,
    Email,
    Login,
}

fn hash_collaborator_object(object: &[u8]) -> RecordHashes {
    let keys = collaborator::keys_of_json(object);
    let hash = |text: Option<String>, kind| hash_cell(&text?, kind, &mut String::new());
    RecordHashes {
        user: keys.uid.as_deref().map(hash_user),
        email: hash(keys.email, Kind::Email),
        login: hash(keys.login, Kind::Login),
    }
}

fn hash_spigit_object(object: &[u8]) -> RecordHashes {
    let (username, email) = spigit::keys_of_line(object);
    let hash = |text: Option<String>, kind| hash_cell(&text?, kind, &mut String::new());
    RecordHashes { user: hash(username, Kind::User), email: hash(email, Kind::Email), login: None }
}

/// Hashes what the check makes of a cell: the value without what a spreadsheet or a copy adds, folded.
fn hash_cell(cell: &str, kind: Kind, scratch: &mut String) -> Option<u64> {
    scratch.clear();
    let cell = invisible::trim(workbook_cell::unmarked_number(cell));
    let value = invisible::remove(spreadsheet::formula_text(cell));
    match kind {
        Kind::Email => key::fold_email_into(&value, scratch),
        Kind::User | Kind::Login => key::fold_into(&value, scratch),
    }
    (!scratch.is_empty()).then(|| xxh3_64_with_seed(scratch.as_bytes(), kind as u64))
}

fn hash_user(uid: &str) -> u64 {
    xxh3_64_with_seed(uid.as_bytes(), Kind::User as u64)
}
