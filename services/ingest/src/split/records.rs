//! The records of a file, whatever its dialect and format.

use muster_domain::field::Field;
use muster_domain::json_array::JsonArrayScanner;
use muster_domain::loose_csv::LooseCsvScanner;
use muster_domain::scanner::{RecordError, RecordLimits, Scan, Scanner};
use muster_domain::strict_csv::StrictCsvScanner;
use muster_domain::{Dialect, Format, Header, collaborator, key, spigit};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How the records of a file are read.
#[derive(Clone, Copy)]
pub(crate) struct Layout<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) format: Format,
    /// The column titles of a Spigit file.
    pub(crate) header: &'a Header,
}

/// Finds the records of a file, and what each record names and sets.
pub(crate) enum Records {
    Spigit { scanner: Box<StrictCsvScanner>, key_column: Option<usize>, email_column: Option<usize>, scratch: String },
    CollaboratorCsv(LooseCsvScanner),
    CollaboratorJson(JsonArrayScanner),
}

impl Records {
    pub(crate) fn new(layout: Layout<'_>, limits: RecordLimits) -> Self {
        match (layout.dialect, layout.format) {
            (Dialect::Spigit, _) => Self::Spigit {
                scanner: Box::new(StrictCsvScanner::new(spigit::DELIMITER, limits, 1)),
                key_column: layout.header.position(Field::Username),
                email_column: layout.header.position(Field::Email),
                scratch: String::new(),
            },
            (Dialect::Collaborator, Format::Csv) => {
                Self::CollaboratorCsv(LooseCsvScanner::new(collaborator::DELIMITER, limits, 1))
            }
            (Dialect::Collaborator, Format::Json) => Self::CollaboratorJson(JsonArrayScanner::new(limits, 1)),
        }
    }

    /// How many hashes a record has at most.
    pub(crate) fn hashes_per_record(&self) -> usize {
        match self {
            Self::Spigit { .. } => 2,
            Self::CollaboratorCsv(_) | Self::CollaboratorJson(_) => 3,
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

    /// Hashes of what the current record names and sets.
    pub(crate) fn hashes(&mut self) -> RecordHashes {
        match self {
            Self::Spigit { scanner, key_column, email_column, scratch } => {
                let mut hash = |column: Option<usize>, kind: Kind| {
                    fold_and_hash(std::str::from_utf8(scanner.field(column?)?).ok()?, kind, scratch)
                };
                let user = hash(*key_column, Kind::User);
                RecordHashes { user, email: hash(*email_column, Kind::Email), login: None }
            }
            Self::CollaboratorCsv(scanner) => {
                let cell = |name| scanner.field(collaborator::position_of(name));
                let hash =
                    |name, kind| fold_and_hash(std::str::from_utf8(&cell(name)?).ok()?, kind, &mut String::new());
                let user = cell(Field::Uid);
                let user = user.as_deref().and_then(collaborator::uid_of_cell).map(hash_user);
                RecordHashes { user, email: hash(Field::Email, Kind::Email), login: hash(Field::Username, Kind::Login) }
            }
            Self::CollaboratorJson(scanner) => {
                let keys = collaborator::keys_of_json(scanner.raw());
                let hash = |text: Option<String>, kind| fold_and_hash(&text?, kind, &mut String::new());
                RecordHashes {
                    user: keys.uid.as_deref().map(hash_user),
                    email: hash(keys.email, Kind::Email),
                    login: hash(keys.login, Kind::Login),
                }
            }
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

fn fold_and_hash(value: &str, kind: Kind, scratch: &mut String) -> Option<u64> {
    scratch.clear();
    key::fold_into(value, scratch);
    (!scratch.is_empty()).then(|| xxh3_64_with_seed(scratch.as_bytes(), kind as u64))
}

fn hash_user(uid: &str) -> u64 {
    xxh3_64_with_seed(uid.as_bytes(), Kind::User as u64)
}
