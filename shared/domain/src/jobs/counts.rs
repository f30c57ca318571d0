//! The numbers of rows by outcome.

use serde::{Deserialize, Serialize};

/// Sums of outcomes. `created + updated + unchanged + failed` is always the number of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that created a user.
    pub created: u64,
    /// Rows that changed a user.
    pub updated: u64,
    /// Rows that changed nothing.
    pub unchanged: u64,
    /// Rows that were not applied; each has a rejection.
    pub failed: u64,
    /// Optional values that were skipped because they are invalid (lenient handling only).
    pub warnings: u64,
    /// Users who were active before and are blocked now. Counted in addition to the four outcomes.
    pub blocked: u64,
    /// Users who were blocked before and are active now. Counted in addition to the four outcomes.
    pub unblocked: u64,
}

impl Counts {
    /// The sums in the order of the fields.
    pub const fn to_array(&self) -> [u64; 7] {
        let Self { created, updated, unchanged, failed, warnings, blocked, unblocked } = *self;
        [created, updated, unchanged, failed, warnings, blocked, unblocked]
    }

    /// The inverse of [`Counts::to_array`].
    pub const fn from_array(sums: [u64; 7]) -> Self {
        let [created, updated, unchanged, failed, warnings, blocked, unblocked] = sums;
        Self { created, updated, unchanged, failed, warnings, blocked, unblocked }
    }

    /// The number of rows that are counted here.
    pub const fn rows(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.failed
    }

    /// Adds other counts to these.
    pub const fn add(&mut self, other: &Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.failed += other.failed;
        self.warnings += other.warnings;
        self.blocked += other.blocked;
        self.unblocked += other.unblocked;
    }
}
