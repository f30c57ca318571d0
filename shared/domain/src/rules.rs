//! The rules of each dialect: one module a dialect.

use crate::job::Dialect;
use crate::shape::RowShape;
use crate::{collaborator, spigit};

/// How the rows of a file identify users, and which fields they can set.
pub const fn row_shape(dialect: Dialect) -> RowShape {
    match dialect {
        Dialect::Spigit => spigit::SHAPE,
        Dialect::Collaborator => collaborator::SHAPE,
    }
}
