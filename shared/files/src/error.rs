//! Why a file inside another one cannot be read.

use std::io;

use muster_domain::RejectionCode;
use muster_ports::RawStoreError;
use zip::result::ZipError;

use crate::limits::{MAX_RATIO, MAX_STRING_BYTES};

/// How many names a message lists.
const LISTED_NAMES: usize = 10;
/// How many characters of a name a message has.
const NAME_CHARS: usize = 64;

/// Why a file inside another one cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive is not what its format requires.
    #[error("the ZIP archive is damaged or incomplete; pack the file again")]
    Damaged,
    /// The archive lists more than Muster reads.
    #[error("the directory of the ZIP archive is too large; pack the file alone")]
    DirectoryTooLarge,
    /// The archive has no file.
    #[error("the ZIP archive has no file in it")]
    NoFile,
    /// The archive has more than one file.
    #[error("the ZIP archive has more than one file: {}; send one file, or an archive with one file", list(.0))]
    SeveralFiles(Vec<String>),
    /// The file needs a password.
    #[error("the file {} in the ZIP archive has a password; pack it without one", shorten(.0))]
    Encrypted(String),
    /// The file is compressed by a method that Muster does not have.
    #[error("the file {} in the ZIP archive is not compressed with deflate; pack it as an ordinary ZIP archive", shorten(.0))]
    Method(String),
    /// The file is an archive or a workbook itself.
    #[error("the file {} in the ZIP archive is packed itself; send it without the archive around it", shorten(.0))]
    Nested(String),
    /// The archive is a document of another kind.
    #[error("the file is {0}; expected CSV text or an Excel workbook (.xlsx)")]
    OtherDocument(&'static str),
    /// The workbook is not what its format requires.
    #[error("the workbook is damaged ({0}); open it and save it again")]
    WorkbookDamaged(&'static str),
    /// No sheet has a value.
    #[error("no sheet of the workbook has data")]
    NoData,
    /// More than one sheet has values.
    #[error("more than one sheet of the workbook has data: {}; name one with ?sheet=NAME", list(.0))]
    SeveralSheets(Vec<String>),
    /// No sheet has the name that the client asked for.
    #[error("the workbook has no sheet of the name in ?sheet=; its sheets are: {}", list(.0))]
    SheetUnknown(Vec<String>),
    /// The texts of the workbook need too much memory.
    #[error("the workbook has more than {} MiB of different texts; save the sheet as CSV UTF-8", MAX_STRING_BYTES >> 20)]
    TooManyStrings,
    /// The archive unpacks to much more than it is.
    #[error("the archive unpacks to more than {MAX_RATIO} times its size")]
    Ratio,
    /// The archive is not available, missing or changed.
    #[error(transparent)]
    Storage(#[from] RawStoreError),
    /// The reading stopped, because the process ends or because of an internal error.
    #[error("reading the file was interrupted; send it again")]
    Interrupted,
}

impl ArchiveError {
    /// The stable code of an upload that is refused because of this.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Damaged | Self::DirectoryTooLarge | Self::Encrypted(_) | Self::Method(_) | Self::Nested(_) => {
                "archive_invalid"
            }
            Self::SeveralFiles(_) => "archive_files",
            Self::NoFile | Self::NoData => "file_empty",
            Self::OtherDocument(_) => "not_csv",
            Self::WorkbookDamaged(_) | Self::TooManyStrings => "workbook_invalid",
            Self::SeveralSheets(_) => "sheet_missing",
            Self::SheetUnknown(_) => "sheet_unknown",
            Self::Ratio => "compression_ratio",
            Self::Storage(_) | Self::Interrupted => "storage_unavailable",
        }
    }

    /// The code of a job that ends because of this; `None` if reading it again may succeed.
    pub const fn rejection_code(&self) -> Option<RejectionCode> {
        match self {
            Self::Storage(RawStoreError::Missing | RawStoreError::Changed) => Some(RejectionCode::RawMissing),
            Self::Storage(_) | Self::Interrupted => None,
            Self::Ratio => Some(RejectionCode::UnpackedTooLarge),
            _ => Some(RejectionCode::CompressionInvalid),
        }
    }
}

/// An error of a reader: one of this crate or of the raw store inside, or else the data is damaged.
impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => error,
            Err(error) => error.downcast::<RawStoreError>().map_or(Self::Damaged, Self::Storage),
        }
    }
}

impl From<ZipError> for ArchiveError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => error.into(),
            _ => Self::Damaged,
        }
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::other(error)
    }
}

fn list(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(LISTED_NAMES).map(|name| shorten(name)).collect();
    if names.len() > LISTED_NAMES {
        shown.push(format!("and {} more", names.len() - LISTED_NAMES));
    }
    shown.join(", ")
}

/// A name that can stand in a sentence: short and without invisible characters.
fn shorten(name: &str) -> String {
    let visible = muster_domain::invisible::remove(name);
    visible.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect()
}
