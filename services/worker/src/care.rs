//! With how much care a batch is applied that was begun before.

/// A batch that was begun so often again runs alone, each of its rows on its own.
pub(crate) const ALONE_ATTEMPTS: u32 = 3;
/// A batch that was begun so often again and never done is given up: all its rows fail.
const MAX_ATTEMPTS: u32 = 5;

/// How a batch is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// All rows in one go.
    AllRows,
    /// Each row on its own, so that one which the database refuses fails alone.
    EachRow,
    /// No row: all are reported as failed, so that the job ends.
    GiveUp,
}

impl Care {
    /// What a batch gets that was begun so often before and never done.
    pub(crate) fn after(attempts: u32) -> Self {
        match attempts {
            MAX_ATTEMPTS.. => Self::GiveUp,
            ALONE_ATTEMPTS.. => Self::EachRow,
            _ => Self::AllRows,
        }
    }
}
