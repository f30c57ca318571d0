//! A row of a result set, read by column name.

use muster_ports::StoreError;

/// A stored value that this build does not understand: the name of its column or what it belongs to, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0}")]
pub struct Unreadable(pub &'static str);

impl From<Unreadable> for StoreError {
    fn from(Unreadable(what): Unreadable) -> Self {
        Self::Unreadable(what)
    }
}

/// A row of a result set. Every method fails if there is no such column or it has another type.
pub trait SqlRow {
    /// A number of any width, or `None` if it is null.
    fn optional_number(&self, column: &'static str) -> Result<Option<i64>, Unreadable>;

    /// A text, or `None` if it is null.
    fn optional_text(&self, column: &'static str) -> Result<Option<String>, Unreadable>;

    /// Bytes that are not null.
    fn bytes(&self, column: &'static str) -> Result<Vec<u8>, Unreadable>;

    /// A truth value that is not null.
    fn boolean(&self, column: &'static str) -> Result<bool, Unreadable>;

    /// A number that is not null.
    fn number(&self, column: &'static str) -> Result<i64, Unreadable> {
        self.optional_number(column)?.ok_or(Unreadable(column))
    }

    /// A number that is neither null nor negative.
    fn count(&self, column: &'static str) -> Result<u64, Unreadable> {
        u64::try_from(self.number(column)?).map_err(|_| Unreadable(column))
    }

    /// A number that is not negative, or `None` if it is null.
    fn optional_count(&self, column: &'static str) -> Result<Option<u64>, Unreadable> {
        self.optional_number(column)?.map(|number| u64::try_from(number).map_err(|_| Unreadable(column))).transpose()
    }

    /// A text that is not null.
    fn text(&self, column: &'static str) -> Result<String, Unreadable> {
        self.optional_text(column)?.ok_or(Unreadable(column))
    }
}
