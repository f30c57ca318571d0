//! What a store must know of the rows of a batch: how they identify users and which fields they can set.

use crate::field::{FIELDS, Field, FieldSpec, SPIGIT_FIELD_COUNT};

/// The key by which rows identify users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The folded user name.
    Username,
    /// The uid. A user without one may be adopted by its user name.
    Uid,
}

impl Identity {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Username, Self::Uid];

    /// The column of `users` that holds the key; it has a unique index.
    pub const fn column(self) -> &'static str {
        match self {
            Self::Username => "username_key",
            Self::Uid => "uid",
        }
    }
}

/// The fields that rows can set: a statement that names fewer columns is cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Columns {
    /// The fields of the Spigit sample file, which come first in [`FIELDS`].
    Core,
    /// Every field.
    All,
}

impl Columns {
    /// Both sets.
    pub const BOTH: [Self; 2] = [Self::Core, Self::All];

    /// The fields of the set, in the order of [`FIELDS`].
    pub const fn fields(self) -> &'static [FieldSpec] {
        match self {
            Self::Core => FIELDS.split_at(SPIGIT_FIELD_COUNT).0,
            Self::All => &FIELDS,
        }
    }
}

/// What all rows of a batch have in common.
#[derive(Clone, Copy, Debug)]
pub struct RowShape {
    /// How they identify users.
    pub identity: Identity,
    /// Which fields they can set.
    pub columns: Columns,
    /// What the API of the file calls a field, for rejections.
    pub field_name: fn(Field) -> &'static str,
}
