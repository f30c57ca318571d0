//! The checks on the values of a row, for each dialect.

pub mod collaborator;
pub mod key;
pub mod spigit;
pub mod text;

use crate::file::Dialect;
use crate::shape::RowShape;

/// How the rows of a file of this dialect identify users, and which fields they can set.
pub const fn row_shape(dialect: Dialect) -> RowShape {
    match dialect {
        Dialect::Spigit => spigit::SHAPE,
        Dialect::Collaborator => collaborator::SHAPE,
    }
}
