//! The checks on the values of a row, for each dialect.

pub mod collaborator;
pub mod key;
pub mod spigit;
pub mod text;

use crate::batch::CheckedBatch;
use crate::file::{Dialect, Format, Handling};
use crate::header::Header;
use crate::scanner::RecordLimits;
use crate::shape::RowShape;

/// How the rows of a file of this dialect identify users, and which fields they can set.
pub const fn row_shape(dialect: Dialect) -> RowShape {
    match dialect {
        Dialect::Spigit => spigit::SHAPE,
        Dialect::Collaborator => collaborator::SHAPE,
    }
}

/// What the rows of a job are checked by. Frozen when the job was accepted.
#[derive(Clone, Debug)]
pub struct CheckRules {
    /// The API through which the file was uploaded.
    pub dialect: Dialect,
    /// What happens to short rows and unreadable optional values.
    pub handling: Handling,
    /// How the records are written.
    pub format: Format,
    /// The column titles, if the dialect has any.
    pub header: Header,
    /// Limits on one record.
    pub limits: RecordLimits,
}

/// Parses and checks the records of a batch that starts on `first_line` with record number `first_row`.
pub fn check_batch(rules: &CheckRules, first_line: u64, first_row: u64, records: &[u8]) -> CheckedBatch {
    match rules.dialect {
        Dialect::Spigit => spigit::check_batch(&rules.header, rules.handling, rules.limits, first_line, records),
        Dialect::Collaborator => collaborator::check_batch(rules.format, rules.limits, first_line, first_row, records),
    }
}
